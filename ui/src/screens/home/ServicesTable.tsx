import { UnstyledButton } from '@mantine/core';
import { IconAlertTriangle, IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { memo, type ReactNode } from 'react';
import { statusColor } from '~/app/colors';
import { Sparkline } from '~/charts/Sparkline';
import { AnchorLink } from '~/components/links';
import { Outside } from '~/components/Outside';
import type { Basis, Percentile, ServiceTotals, ServiceTrend } from '~/data/services';
import { formatDuration } from '~/format/duration';
import { formatCount, formatRate, formatShare } from '~/format/number';
import { type Column, nextSort, type Sort } from '~/screens/home/list';
import classes from '~/screens/home/ServicesTable.module.css';
import { formatAgo, formatInstant } from '~/time/format';

interface ServicesTableProps {
  services: readonly ServiceTotals[];
  /** By name; missing while they are being asked for. */
  trends: ReadonlyMap<string, ServiceTrend> | undefined;
  /** Which percentiles have a column. */
  percentiles: readonly Percentile[];
  sort: Sort;
  onSort: (sort: Sort) => void;
  colorOf: (service: string) => string;
  /** Milliseconds; ages are counted to here. */
  now: number;
  zone: string;
}

/** One row a service: what it does per second, how much of it fails, how long it takes. */
export function ServicesTable({ services, trends, percentiles, sort, onSort, ...rest }: ServicesTableProps) {
  const head = { sort, onSort };
  return (
    <table className={classes.table}>
      <caption className={classes.caption}>Services by their entry spans in the time range</caption>
      <thead>
        <tr>
          <Head column="name" {...head}>
            Service
          </Head>
          <Head column="rate" {...head} title="Entry spans per second">
            Requests
          </Head>
          <Head column="errors" {...head} title="Share of the entry spans with status error">
            Errors
          </Head>
          {percentiles.map((percentile) => (
            <Head key={percentile} column={percentile} {...head} title={MEANING[percentile]}>
              {percentile}
            </Head>
          ))}
          <Head column="seen" {...head} title="Start of the newest span of any kind">
            Last seen
          </Head>
        </tr>
      </thead>
      <tbody>
        {services.map((service) => (
          <Row
            key={service.name}
            service={service}
            trend={trends?.get(service.name)}
            percentiles={percentiles}
            {...rest}
          />
        ))}
      </tbody>
    </table>
  );
}

const MEANING: Record<Percentile, string> = {
  p50: 'Half of the entry spans are faster',
  p95: '95 of 100 entry spans are faster',
  p99: '99 of 100 entry spans are faster',
};

interface HeadProps {
  column: Column;
  sort: Sort;
  onSort: (sort: Sort) => void;
  title?: string;
  children: ReactNode;
}

function Head({ column, sort, onSort, title, children }: HeadProps) {
  const isSorted = sort.column === column;
  const order = sort.isDescending ? 'descending' : 'ascending';
  const Arrow = sort.isDescending ? IconArrowDown : IconArrowUp;
  return (
    <th scope="col" data-column={column} aria-sort={isSorted ? order : 'none'}>
      <UnstyledButton className={classes.head} onClick={() => onSort(nextSort(sort, column))} title={title}>
        {children}
        <Arrow size={12} aria-hidden="true" className={classes.arrow} data-shown={isSorted || undefined} />
      </UnstyledButton>
    </th>
  );
}

interface RowProps extends Pick<ServicesTableProps, 'percentiles' | 'colorOf' | 'now' | 'zone'> {
  service: ServiceTotals;
  trend: ServiceTrend | undefined;
}

const Row = memo(function Row({ service, trend, percentiles, colorOf, now, zone }: RowProps) {
  const { name, basis, count, errors, rate, errorShare, lastSeen } = service;
  const failed = `${formatCount(errors)} of ${formatCount(count)} failed`;
  return (
    <tr data-failing={errors > 0 || undefined}>
      <th scope="row" data-column="name">
        <div className={classes.name}>
          <span className={classes.mark} style={{ background: colorOf(name) }} />
          {name === '' ? (
            <span className={classes.nameless}>no service name</span>
          ) : (
            <AnchorLink to="/traces" search={{ service: [name] }} className={classes.link} title={name}>
              <Outside text={name} line limit={200} />
            </AnchorLink>
          )}
          {basis !== 'entry' && (
            <span className={classes.basis} title={BASIS[basis].why}>
              {BASIS[basis].word}
            </span>
          )}
        </div>
      </th>
      <Numbers column="rate" trend={trend?.rate} color={colorOf(name)} title={`${formatCount(count)} in the range`}>
        {formatRate(rate)}
      </Numbers>
      <Numbers
        column="errors"
        trend={errors > 0 ? trend?.errorRate : undefined}
        color={statusColor('error')}
        title={failed}
      >
        {errors === 0 ? (
          <span className={classes.none}>0%</span>
        ) : (
          <Failing name={name}>
            <IconAlertTriangle size={13} aria-hidden="true" />
            {formatShare(errorShare)}
          </Failing>
        )}
      </Numbers>
      {percentiles.map((percentile) => (
        <Numbers
          key={percentile}
          column={percentile}
          {...(percentile === 'p95' && { trend: trend?.p95, color: 'var(--mantine-color-dimmed)' })}
        >
          <Slow name={name}>{formatDuration(service.percentiles[percentile] ?? Number.NaN)}</Slow>
        </Numbers>
      ))}
      <td data-column="seen">
        <time dateTime={new Date(lastSeen).toISOString()} title={formatInstant(lastSeen, zone, 'millis')}>
          {formatAgo(lastSeen, now)}
        </time>
      </td>
    </tr>
  );
});

const BASIS: Record<Exclude<Basis, 'entry'>, { word: string; why: string }> = {
  root: { word: 'root spans', why: 'It has no server or consumer spans, so its root spans are counted' },
  all: { word: 'all spans', why: 'It has no server, consumer or root spans, so all of its spans are counted' },
};

interface NumbersProps {
  column: Column;
  /** Undefined: none is drawn, but its place is kept. */
  trend?: readonly (number | null)[] | undefined;
  color?: string;
  title?: string;
  children: ReactNode;
}

function Numbers({ column, trend, color, title, children }: NumbersProps) {
  return (
    <td data-column={column} title={title}>
      <div className={classes.numbers}>
        <span className={classes.value}>{children}</span>
        {color && <span className={classes.spark}>{trend && <Sparkline values={trend} color={color} />}</span>}
      </div>
    </td>
  );
}

/** To the failed traces of a service. */
function Failing({ name, children }: { name: string; children: ReactNode }) {
  if (name === '') return <span className={classes.failing}>{children}</span>;
  return (
    <Link
      to="/traces"
      search={{ service: [name], status: 'error' }}
      className={classes.failing}
      aria-label={`Failed traces of ${name.slice(0, 100)}`}
    >
      {children}
    </Link>
  );
}

/** To the slowest traces of a service. */
function Slow({ name, children }: { name: string; children: ReactNode }) {
  if (name === '') return children;
  return (
    <Link to="/traces" search={{ service: [name], sort: '-duration' }} className={classes.number}>
      {children}
    </Link>
  );
}
