import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { ApiError } from '~/api/http';
import { AnchorLink } from '~/components/links';
import { Outside } from '~/components/Outside';
import { PageHeader } from '~/components/PageHeader';
import { Empty, Failure } from '~/components/states';
import { fetchTrace, keepIfSame, parseTraceId } from '~/data/trace';
import { askAgain, useRefreshed } from '~/screens/trace/asking';
import { NoTrace } from '~/screens/trace/NoTrace';
import { StillAsking } from '~/screens/trace/StillAsking';
import { TraceView } from '~/screens/trace/TraceView';

/** Spans come in batches: a trace that is asked for right after it happened may not be there yet. */
const ASK_AGAIN_EVERY = 1_000;
const ASK_AGAIN_TIMES = 15;
export function Trace() {
  const { traceId: text } = useParams({ from: '/traces/$traceId' });
  const traceId = parseTraceId(text);
  if (!traceId) return <BadId text={text} />;
  return <TraceById key={traceId} traceId={traceId} />;
}

function BadId({ text }: { text: string }) {
  return (
    <>
      <PageHeader title="Trace" />
      <Empty title="This is not a trace id">
        <p>
          <Outside text={text} limit={200} />
        </p>
        A trace id has 1 to 32 hexadecimal digits, not all of them zero.{' '}
        <AnchorLink to="/traces" underline="always">
          Look for a trace
        </AnchorLink>
      </Empty>
    </>
  );
}

function TraceById({ traceId }: { traceId: string }) {
  const trace = useQuery({
    queryKey: ['trace', traceId],
    queryFn: ({ signal }) => fetchTrace(traceId, signal),
    structuralSharing: keepIfSame,
    refetchInterval: (query) => {
      const { data, error, dataUpdateCount } = query.state;
      if (data && data.length > 0) return askAgain(data)(query);
      if (error) return error instanceof ApiError && error.isPassing ? ASK_AGAIN_EVERY : false;
      return data && dataUpdateCount < ASK_AGAIN_TIMES ? ASK_AGAIN_EVERY : false;
    },
  });
  const { refetch } = trace;
  useRefreshed(refetch);

  const { data, error } = trace;
  if (data && data.length > 0) return <TraceView spans={data} error={error} retry={refetch} />;
  return (
    <>
      <PageHeader title="Trace" />
      {error ? (
        <Failure error={error} retry={refetch} retrying={trace.isFetching} />
      ) : data ? (
        <NoTrace traceId={traceId} retry={refetch} isAsking={trace.isFetching} />
      ) : (
        <StillAsking height="70vh" label="Loading the trace" />
      )}
    </>
  );
}
