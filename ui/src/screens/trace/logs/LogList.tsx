import { Button } from '@mantine/core';
import { useState } from 'react';
import { formatCount } from '~/format/number';
import { LogLine } from '~/screens/trace/logs/LogLine';
import type { PlacedLog } from '~/screens/trace/model/placeLogs';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import classes from './Logs.module.css';

/** So many are drawn before more are asked for. */
const STEP = 200;

interface Props {
  model: TraceModel;
  logs: readonly PlacedLog[];
  /** Times are counted from here: nanoseconds after the trace's start. */
  start: number;
  /** Selects the span of a record; without it, spans are not named. */
  onSelect?: (span: number) => void;
}

/** Log records by time, each to be unfolded. */
export function LogList({ model, logs, start, onSelect }: Props) {
  const [count, setCount] = useState(STEP);
  if (logs.length === 0) return <p className={classes.quiet}>No log record of this span is here.</p>;
  return (
    <>
      <ol className={classes.list}>
        {logs.slice(0, count).map((placed, index) => (
          <LogLine
            // Equal records have equal keys.
            // biome-ignore lint/suspicious/noArrayIndexKey: records have no other identity.
            key={`${placed.log.key.time} ${placed.log.key.hash} ${index}`}
            model={model}
            placed={placed}
            start={start}
            onSelect={onSelect}
          />
        ))}
      </ol>
      {logs.length > count && (
        <Button size="compact-xs" variant="default" onClick={() => setCount(count + STEP)}>
          {formatCount(logs.length - count)} more
        </Button>
      )}
    </>
  );
}
