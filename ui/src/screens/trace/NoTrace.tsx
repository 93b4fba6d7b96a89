import { Button, Code, Stack, Text } from '@mantine/core';
import { CopyButton } from '~/components/CopyButton';
import { AnchorLink } from '~/components/links';
import { Empty } from '~/components/states';

/** The id is one, but the store has no span with it. */
export function NoTrace({ traceId, retry, isAsking }: { traceId: string; retry: () => void; isAsking: boolean }) {
  return (
    <Empty title="No span of this trace is here">
      <Stack gap="xs" align="center">
        <span>
          <Code>{traceId}</Code> <CopyButton value={traceId} label="Copy trace id" />
        </span>
        <Text size="sm">
          It may not have arrived yet: programs send their spans in batches, some every few seconds. This screen asks
          again for a while by itself. Otherwise it was never sent or was sampled away, belongs to another tenant, or is
          older than what is kept (retention).
        </Text>
        <Button size="xs" variant="default" onClick={retry} loading={isAsking}>
          Ask again
        </Button>
        <AnchorLink to="/traces">Look for another trace</AnchorLink>
      </Stack>
    </Empty>
  );
}
