import { Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { lazy, Suspense } from 'react';
import { Answer } from '~/components/Answer';
import { Loading } from '~/components/states';
import type { Ingest, Signal } from '~/data/ingest';
import { formatCount, formatRate } from '~/format/number';
import classes from '~/screens/home/IngestStrip.module.css';
import { useIngest } from '~/screens/home/questions';
import { useSetRange, useTime } from '~/time/useTime';

const TimeSeries = lazy(() => import('~/charts/TimeSeries'));

const WORDS: Record<Signal, { title: string; counted: string; color: string }> = {
  spans: { title: 'Spans', counted: 'by start time', color: 'var(--mark-8)' },
  logs: { title: 'Log records', counted: 'by time', color: 'var(--mark-2)' },
  samples: { title: 'Metric points', counted: 'by time', color: 'var(--mark-12)' },
};

/** What the store was sent, one signal beside the other. */
export function IngestStrip() {
  return (
    <section aria-label="Ingest" className={classes.strip}>
      <SignalTile signal="spans" />
      <SignalTile signal="logs" />
      <SignalTile signal="samples" />
    </section>
  );
}

const HEIGHT = 84;
/** Where the charts are one below the other, so that the services are not far away. */
const LOW = 52;

function SignalTile({ signal }: { signal: Signal }) {
  const query = useIngest(signal);
  const { title, counted } = WORDS[signal];
  const height = useMediaQuery('(max-width: 600px)') ? LOW : HEIGHT;
  return (
    <section aria-label={title} className={classes.tile}>
      <div className={classes.words}>
        <h2 className={classes.title}>{title}</h2>
        {query.data && query.data.total > 0 && (
          <>
            <Text span size="sm" fw={600}>
              {formatRate(query.data.rate)}
            </Text>
            <Text span size="xs" c="dimmed" title={query.data.total.toLocaleString('en')}>
              {formatCount(query.data.total)}, {counted}
            </Text>
          </>
        )}
      </div>
      <Answer of={query} height={height} label={title.toLowerCase()}>
        {(ingest) =>
          ingest.total === 0 ? (
            <Text size="sm" c="dimmed" h={height}>
              None in this time range
            </Text>
          ) : (
            <Suspense fallback={<Loading height={height} />}>
              <SignalChart signal={signal} ingest={ingest} height={height} />
            </Suspense>
          )
        }
      </Answer>
    </section>
  );
}

function SignalChart({ signal, ingest, height }: { signal: Signal; ingest: Ingest; height: number }) {
  const { interval, zone } = useTime();
  const setRange = useSetRange();
  const { title, color } = WORDS[signal];
  return (
    <TimeSeries
      label={`${title} per second`}
      starts={ingest.starts}
      series={[{ label: title, values: ingest.rates, color }]}
      interval={interval}
      zone={zone}
      height={height}
      format={formatRate}
      onZoom={setRange}
      sync="ingest"
    />
  );
}
