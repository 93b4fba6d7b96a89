import { Alert, Button, Container, Stack, Text } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import type { ErrorComponentProps } from '@tanstack/react-router';
import { Failure } from '~/components/states';

/** The last resort: a screen that could not be loaded or drawn. */
export function ScreenError({ error, reset }: ErrorComponentProps) {
  const problem: Error = error instanceof Error ? error : new Error(String(error));
  return (
    <Container py="xl">
      {isMissingPart(problem) ? <MissingPart /> : <Failure error={problem} retry={reset} />}
    </Container>
  );
}

/** What browsers say when a part of the page cannot be had; each has its own words. */
function isMissingPart(error: Error): boolean {
  return /dynamically imported module|importing a module script|unable to preload/i.test(error.message);
}

/** After an upgrade the parts of the page before are gone; trying again cannot help, the page has to be loaded anew. */
function MissingPart() {
  return (
    <Alert variant="default" title="This screen could not be loaded" role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">
          Trefoil does not answer, or it has been upgraded since this page was opened. Loading the page again helps in
          both cases; the address keeps what you were looking at.
        </Text>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconRefresh size={14} aria-hidden />}
          onClick={() => location.reload()}
        >
          Load the page again
        </Button>
      </Stack>
    </Alert>
  );
}
