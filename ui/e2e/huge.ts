/** Far too much of everything: a trace of 50,000 spans, 200 services, names that do not fit. */

import { id, type LogRecord, otlpLogs, otlpTraces, type Span } from './otlp.ts';
import type { TrefoilServer } from './server.ts';

export const HUGE_TRACE = id('huge', 32);
export const HUGE_ROOT = 'POST /api/v2/import of everything that there is';

/** One request's worth; well below the limit of a body. */
const BATCH = 4_000;
const SERVICES = 200;
/** Children of each span, so that the tree is seven deep at 50,000. */
const FAN_OUT = 6;

/** The spans of the huge trace in the order of a breadth-first walk; the tree is always the same. */
export function hugeTrace(count: number, start: number): Span[] {
  const length = 60_000;
  const windows: { start: number; duration: number }[] = [];
  return Array.from({ length: count }, (_, index) => {
    const parent = index === 0 ? undefined : Math.floor((index - 1) / FAN_OUT);
    const around =
      parent === undefined ? { start, duration: length } : (windows[parent] ?? { start, duration: length });
    const slot = index === 0 ? 0 : (index - 1) % FAN_OUT;
    const window =
      index === 0
        ? around
        : {
            start: around.start + (around.duration * (slot * 0.9 + 0.05)) / FAN_OUT,
            duration: (around.duration * (0.5 + ((index * 7) % 10) / 25)) / FAN_OUT,
          };
    windows.push(window);
    const service = serviceName(parent === undefined ? 0 : (index * 31) % SERVICES);
    return {
      traceId: HUGE_TRACE,
      spanId: id(`huge ${index}`, 16),
      ...(parent !== undefined && { parentSpanId: id(`huge ${parent}`, 16) }),
      service,
      name: index === 0 ? HUGE_ROOT : spanName(index),
      kind: index % 5 === 0 ? 2 : index % 5 === 1 ? 3 : 1,
      ...window,
      ...(index % 97 === 1 && { error: 'deadline exceeded' }),
      attributes: { 'http.route': `/items/${index % 50}`, index },
    } satisfies Span;
  });
}

export async function fillHuge(server: TrefoilServer, count = 50_000): Promise<void> {
  const now = Date.now();
  const spans = hugeTrace(count, now - 120_000);
  // Beside it two thousand small traces, as a busy shop has them.
  const small = Array.from({ length: 2_000 }, (_, index): Span => {
    const duration = 2 + ((index * 7919) % 1000) ** 2 / 1000;
    return {
      traceId: id(`small ${index}`, 32),
      spanId: id(`small ${index}`, 16),
      service: serviceName(index % SERVICES),
      name: spanName(index),
      kind: 2,
      start: now - 100_000 + index * 45,
      duration,
      ...(index % 40 === 0 && { error: 'the connection was reset by the other side' }),
    };
  });
  const all = [...spans, ...small];
  for (let at = 0; at < all.length; at += BATCH) await server.send('traces', otlpTraces(all.slice(at, at + BATCH)));
  const logs = spans.slice(0, 3_000).map(
    (span, index): LogRecord => ({
      service: span.service,
      at: span.start + 1,
      severity: index % 50 === 0 ? 17 : 9,
      body: `line ${index} of ${span.name}`,
      traceId: span.traceId,
      spanId: span.spanId,
    }),
  );
  await server.send('logs', otlpLogs(logs));
}

function serviceName(index: number): string {
  if (index % 20 === 7)
    return `a-service-with-a-name-that-somebody-generated-from-a-whole-path-${index}.internal.example`;
  return `service-${String(index).padStart(3, '0')}`;
}

function spanName(index: number): string {
  if (index % 50 === 3)
    return `com.example.shop.checkout.internal.AbstractOrderProcessingPipelineFactory$Stage${index}.process`;
  return ['GET /items/{id}', 'SELECT shop.items', 'render page', 'publish event', 'cache get'][index % 5] ?? 'work';
}
