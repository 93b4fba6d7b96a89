import { Button, VisuallyHidden } from '@mantine/core';
import { IconCheck, IconDownload, IconShare2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { requestText } from '~/api/http';
import { CopyButton } from '~/components/CopyButton';
import { Outside } from '~/components/Outside';
import { PageHeader } from '~/components/PageHeader';
import { useCopy } from '~/components/useCopy';
import { type Attribute, findAttribute, valueText } from '~/data/attributes';
import { fetchSpan } from '~/data/span';
import { spanName, spanService } from '~/data/trace';
import { formatDuration } from '~/format/duration';
import { formatCount } from '~/format/number';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import classes from '~/screens/trace/Trace.module.css';
import { formatInstant, zoneName } from '~/time/format';
import { useTime } from '~/time/useTime';

/** What the trace is, in one line or two, and what can be done with the whole of it. */
export function TraceHeader({ model, shareUrl }: { model: TraceModel; shareUrl: () => string }) {
  const { spans, tree, root, services } = model;
  const { zone } = useTime();
  const service = spanService(spans, root) || 'no service';
  const name = spanName(spans, root) || 'no name';
  return (
    <PageHeader
      title={`${service}: ${name}`}
      heading={
        <span className={classes.heading}>
          <span className={classes.mark} style={{ background: model.colorOf(spanService(spans, root)) }} />
          <Outside text={service} line limit={80} />
          <Outside text={name} line limit={200} />
        </span>
      }
      actions={
        <>
          <Share url={shareUrl} />
          <Download traceId={spans.traceId} />
        </>
      }
    >
      <span className={classes.fact} title={`Zone: ${zoneName(zone)}`}>
        {formatInstant(spans.start, zone, 'millis')}
      </span>
      <span className={classes.fact}>
        <b>{formatDuration(spans.duration)}</b>
      </span>
      <span className={classes.fact} title={`${spans.total.toLocaleString('en')} spans`}>
        <b>{formatCount(spans.total)}</b> {spans.total === 1 ? 'span' : 'spans'}
      </span>
      <span className={classes.fact}>
        <b>{formatCount(services.length)}</b> {services.length === 1 ? 'service' : 'services'}
      </span>
      <span className={classes.fact}>
        <b>{formatCount(tree.maxDepth + 1)}</b> {tree.maxDepth === 0 ? 'level' : 'levels'}
      </span>
      <Origin model={model} />
      <span className={classes.fact}>
        <span className={classes.id}>{spans.traceId}</span>
        <CopyButton value={spans.traceId} label="Copy trace id" size={20} />
      </span>
    </PageHeader>
  );
}

/** Where tenants and regions are usually written. */
const TENANT = ['tenant', 'tenant.id', 'tenant.name'];
const REGION = ['region', 'cloud.region'];

/** For whom and where it ran, as the root's resource says. Nothing where it does not. */
function Origin({ model: { spans, root } }: { model: TraceModel }) {
  const id = spans.ids[root] ?? '';
  const { data } = useQuery({
    queryKey: ['span', spans.traceId, id],
    queryFn: ({ signal }) => fetchSpan(spans.traceId, id, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [span] = data ?? [];
  if (!span) return null;
  const known = [...span.resource, ...span.attributes];
  const tenant = firstOf(known, TENANT);
  const region = firstOf(known, REGION);
  return (
    <>
      {tenant && (
        <span className={classes.fact}>
          tenant{' '}
          <b>
            <Outside text={tenant} line limit={60} />
          </b>
        </span>
      )}
      {region && (
        <span className={classes.fact}>
          region{' '}
          <b>
            <Outside text={region} line limit={60} />
          </b>
        </span>
      )}
    </>
  );
}

function firstOf(attributes: readonly Attribute[], keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = findAttribute(attributes, key);
    if (value) return valueText(value);
  }
  return undefined;
}

function Share({ url }: { url: () => string }) {
  const { state, copy } = useCopy();
  const said = state === 'copied' ? 'Link copied' : state === 'failed' ? 'Copying failed' : undefined;
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={state === 'copied' ? <IconCheck size={14} aria-hidden /> : <IconShare2 size={14} aria-hidden />}
        onClick={() => copy(url)}
        title="Copy a link to exactly this view"
      >
        {said ?? 'Share'}
      </Button>
      <Said>{said}</Said>
    </>
  );
}

/** Tells those who hear the page what a button's label says; inside the button it would hide that label from its name. */
function Said({ children }: { children: string | undefined }) {
  return <VisuallyHidden role="status">{children}</VisuallyHidden>;
}

/** A trace may be tens of megabytes. */
const DOWNLOAD_TIMEOUT = 120_000;

/** The trace as OTLP JSON, in Tempo's form. Asked for with a request, since a plain link could not name the tenant. */
function Download({ traceId }: { traceId: string }) {
  const [state, setState] = useState<'idle' | 'loading' | 'failed'>('idle');
  const request = useRef<AbortController>(undefined);
  const download = async () => {
    if (state === 'loading') {
      request.current?.abort();
      return;
    }
    request.current = new AbortController();
    setState('loading');
    try {
      const { signal } = request.current;
      const json = await requestText(`/tempo/api/v2/traces/${traceId}`, {
        signal,
        timeout: DOWNLOAD_TIMEOUT,
        headers: { Accept: 'application/json' },
      });
      save(`trace-${traceId}.json`, json);
      setState('idle');
    } catch {
      setState(request.current.signal.aborted ? 'idle' : 'failed');
    }
  };
  return (
    <>
      <Button
        size="xs"
        variant="default"
        color={state === 'failed' ? 'red' : undefined}
        leftSection={<IconDownload size={14} aria-hidden />}
        onClick={download}
        title="Download the trace as OTLP JSON"
      >
        {state === 'loading' ? 'Cancel download' : state === 'failed' ? 'Download failed' : 'JSON'}
      </Button>
      <Said>{state === 'failed' ? 'Download failed' : undefined}</Said>
    </>
  );
}

function save(name: string, json: string): void {
  const url = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
