import { Anchor } from '@mantine/core';
import { Empty, Failure, Partial } from '~/components/states';
import { MOST_LOGS } from '~/data/traceLogs';
import { formatCount } from '~/format/number';
import { LogList } from '~/screens/trace/logs/LogList';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { StillAsking } from '~/screens/trace/StillAsking';
import type { Logs } from '~/screens/trace/useLogs';
import classes from './Logs.module.css';

interface Props {
  model: TraceModel;
  logs: Logs;
  /** Those that are looked at; empty: all. */
  services: ReadonlySet<string>;
  onServices: (services: string[]) => void;
  onSelect: (span: number) => void;
}

/** All log records of the trace in order, each with its span. */
export function TraceLogs({ model, logs, services, onServices, onSelect }: Props) {
  const shown = services.size > 0 ? logs.placed.filter(({ log }) => services.has(log.service)) : logs.placed;
  return (
    <section className={classes.screen} aria-label="Logs of the trace">
      {logs.error && logs.placed.length === 0 && <Failure error={logs.error} retry={logs.retry} />}
      {logs.error && logs.placed.length > 0 && (
        <Partial retry={logs.retry}>Not all logs could be asked for: {logs.error.message}</Partial>
      )}
      {logs.isCut && <Partial>There are more: only the first {formatCount(MOST_LOGS)} are shown.</Partial>}
      {shown.length < logs.placed.length && (
        <Partial>
          {formatCount(shown.length)} of {formatCount(logs.placed.length)} records, of the chosen services only.{' '}
          <Anchor component="button" type="button" fz="inherit" onClick={() => onServices([])}>
            Show all
          </Anchor>
        </Partial>
      )}
      {logs.isLoading && logs.placed.length === 0 && !logs.error && <StillAsking height={300} label="Loading logs" />}
      {!logs.isLoading && !logs.error && logs.placed.length === 0 && (
        <Empty title="No log record belongs to this trace">
          Neither does a record carry the trace’s id, nor is the id in a line that one of its services logged around
          that time.
        </Empty>
      )}
      {shown.length > 0 && <LogList model={model} logs={shown} start={0} onSelect={onSelect} />}
    </section>
  );
}
