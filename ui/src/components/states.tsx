/** The four states that every piece of data on a screen can be in besides being there. */

import { Alert, Button, Center, Group, Loader, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconPlugConnectedX, IconRefresh } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { ApiError } from '~/api/http';
import classes from './states.module.css';

/** A whole screen that is on its way. */
export function ScreenLoading() {
  return (
    <Center mih="40vh" role="status" aria-label="Loading">
      <Loader />
    </Center>
  );
}

/** A block whose data is on its way, as high as what will stand there, so that nothing jumps. */
export function Loading({ height, label = 'Loading' }: { height: number | string; label?: string }) {
  return (
    <div role="status" aria-label={label}>
      <Skeleton height={height} radius="sm" />
    </div>
  );
}

interface EmptyProps {
  title: string;
  /** Of the heading: 1 where it stands for a whole screen. */
  order?: 1 | 2;
  children?: ReactNode;
}

/** Nothing there: says why, and what to do. */
export function Empty({ title, order = 2, children }: EmptyProps) {
  return (
    <Center p="xl">
      <Stack align="center" gap="xs" maw={560}>
        <Title order={order} size="h3" ta="center">
          {title}
        </Title>
        <Text c="dimmed" ta="center" component="div">
          {children}
        </Text>
      </Stack>
    </Center>
  );
}

interface FailureProps {
  error: Error;
  /** In place of the usual words for this kind of error. */
  title?: string;
  retry?: () => void;
  retrying?: boolean;
}

/** What went wrong, in words for the reader, with a way to try again. */
export function Failure({ error, title, retry, retrying }: FailureProps) {
  const words = wordsFor(error);
  return (
    <Alert
      className={`${classes.note} ${classes.failure}`}
      title={title ?? words.title}
      icon={error instanceof ApiError && error.kind === 'away' ? <IconPlugConnectedX /> : <IconAlertTriangle />}
      role="alert"
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm" style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
          {error.message}
        </Text>
        {words.hint && (
          <Text size="sm" c="dimmed">
            {words.hint}
          </Text>
        )}
        {retry && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconRefresh size={14} />}
            onClick={retry}
            loading={retrying ?? false}
          >
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** What is there is not everything, or not of now: says so above it. */
export function Partial({ children, retry }: { children: ReactNode; retry?: () => void }) {
  return (
    <Alert className={`${classes.note} ${classes.partial}`} p="xs" role="status">
      <Group gap="sm" justify="space-between">
        <Text size="sm">{children}</Text>
        {retry && (
          <Button size="compact-xs" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
      </Group>
    </Alert>
  );
}

function wordsFor(error: Error): { title: string; hint?: string } {
  if (!(error instanceof ApiError)) return { title: 'Something is wrong with this screen' };
  if (error.kind === 'away') return { title: 'Trefoil does not answer', hint: 'This screen asks again by itself.' };
  if (error.kind === 'timeout') return { title: 'The answer takes too long', hint: 'A shorter time range reads less.' };
  if (error.kind === 'broken') return { title: 'The answer is not whole', hint: 'This screen asks again by itself.' };
  if (error.status === 401)
    return { title: 'Which tenant?', hint: 'This server keeps tenants apart: name one at the top.' };
  return { title: error.isPassing ? 'Trefoil could not answer' : 'Trefoil refused the question' };
}
