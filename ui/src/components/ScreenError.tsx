import { Container } from '@mantine/core';
import type { ErrorComponentProps } from '@tanstack/react-router';
import { Failure } from '~/components/states';

/** The last resort: a screen that could not be drawn. */
export function ScreenError({ error, reset }: ErrorComponentProps) {
  return (
    <Container py="xl">
      <Failure error={error instanceof Error ? error : new Error(String(error))} retry={reset} />
    </Container>
  );
}
