import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { CopyButton } from '~/components/CopyButton';
import { Outside } from '~/components/Outside';
import { Failure } from '~/components/states';
import { fetchLog, type TraceLog } from '~/data/traceLogs';
import { prettyBody } from '~/screens/trace/logs/line';
import { Attributes } from '~/screens/trace/panel/Attributes';
import { StillAsking } from '~/screens/trace/StillAsking';
import { formatInstant } from '~/time/format';
import { useTime } from '~/time/useTime';
import classes from './Logs.module.css';

/** A record with everything it has. */
export function LogDetails({ log, how }: { log: TraceLog; how: string }) {
  const { zone } = useTime();
  const [isPretty, setPretty] = useState(true);
  const detail = useQuery({
    queryKey: ['traceLog', log.key],
    queryFn: async ({ signal }) => (await fetchLog(log.key, signal)) ?? null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { data } = detail;
  const body = data?.body ?? log.body;
  const pretty = prettyBody(body);
  return (
    <div className={classes.details}>
      <div className={classes.detailsHead}>
        <span className={classes.quiet}>
          {formatInstant(Number(BigInt(log.key.time) / 1_000_000n), zone, 'millis')}
          {log.severityText && (
            <>
              {' · '}
              <Outside text={log.severityText} line limit={30} />
            </>
          )}
          {how && ` · ${how}`}
        </span>
        {pretty && (
          <Button size="compact-xs" variant="default" aria-pressed={!isPretty} onClick={() => setPretty(!isPretty)}>
            As sent
          </Button>
        )}
        <CopyButton value={body} label="Copy log body" />
      </div>
      <pre className={classes.whole}>
        <Outside text={pretty && isPretty ? pretty : body} limit={4_000} />
      </pre>
      {detail.error && <Failure error={detail.error} retry={detail.refetch} retrying={detail.isFetching} />}
      {detail.isPending && !detail.error && <StillAsking height={60} label="Loading the record" />}
      {data === null && <p className={classes.quiet}>The store has this record no more.</p>}
      {data && (
        <>
          <Attributes title="Attributes" attributes={data.attributes} />
          <Attributes title="Resource" attributes={data.resource} />
          {data.scope && (
            <p className={classes.quiet}>
              Scope <Outside text={data.scope} limit={200} />
            </p>
          )}
        </>
      )}
    </div>
  );
}
