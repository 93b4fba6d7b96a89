/** What the bookstore sends: twelve spans over nine services a checkout, their logs and a number. */

import { id, type LogRecord, otlpHistogram, otlpLogs, otlpTraces, type Span, type Value } from './otlp.ts';
import type { TrefoilServer } from './server.ts';

export interface Checkout {
  traceId: string;
  spans: Span[];
  logs: LogRecord[];
}

/** Service, name, kind, number of the parent, start and duration in milliseconds; as the demo has them. */
const SHAPE: [string, string, Span['kind'], number, number, number][] = [
  ['gateway', 'POST /api/v2/checkout', 2, 0, 0, 240],
  ['storefront', 'POST /checkout', 2, 1, 4, 230],
  ['catalog', 'GET /catalog/items/{isbn}', 2, 2, 8, 30],
  ['catalog', 'SELECT bookstore.items', 3, 3, 12, 20],
  ['orders', 'POST /orders', 2, 2, 42, 188],
  ['orders', 'INSERT bookstore.outbox', 3, 5, 46, 12],
  ['outbox-publisher', 'publish order.created', 4, 6, 60, 6],
  ['payments-gateway', 'process order.created', 5, 7, 70, 120],
  ['stripe', 'POST /v1/charges', 2, 8, 78, 90],
  ['webhook-receiver', 'POST /webhook', 2, 9, 172, 44],
  ['orders', 'PATCH /orders/{id}', 2, 10, 178, 14],
  ['recommendations', 'POST /score', 2, 10, 194, 18],
];

const STACK = `CatalogError: no such item: __forced_500__
    at Items.find (catalog/items.rs:42:13)
    at handler (catalog/http.rs:87:5)
    at Router.route (axum/routing.rs:310:9)`;

/** A checkout that began at `start` (ms); with `isFailed`, catalog answers 500 within it. */
export function checkout(
  start: number,
  seed: string | number,
  { isFailed = false, tenant = 'acme-books' } = {},
): Checkout {
  const traceId = id(`trace ${seed}`, 32);
  const spanId = (number: number) => id(`span ${seed} ${number}`, 16);
  const spans = SHAPE.map(([service, name, kind, parent, offset, duration], index): Span => {
    const fails = isFailed && index === 2;
    return {
      traceId,
      spanId: spanId(index + 1),
      ...(parent > 0 && { parentSpanId: spanId(parent) }),
      service,
      name,
      ...(kind && { kind }),
      start: start + offset,
      duration,
      resource: { 'service.namespace': 'bookstore', 'service.version': '1.4.2', tenant, region: 'us-east' },
      attributes: attributesOf(name, traceId, spanId(index + 1)),
      ...(fails && {
        error: 'no such item: __forced_500__',
        events: [
          {
            name: 'exception',
            at: start + offset + duration - 1,
            attributes: {
              'exception.type': 'CatalogError',
              'exception.message': 'no such item: __forced_500__',
              'exception.stacktrace': STACK,
            },
          },
        ],
      }),
    };
  });
  const log = (number: number, body: Value, severity: number, hasIds: boolean): LogRecord => ({
    service: SHAPE[number - 1]?.[0] ?? '',
    at: start + (SHAPE[number - 1]?.[4] ?? 0) + 2,
    body,
    severity,
    resource: { tenant },
    ...(hasIds && { traceId, spanId: spanId(number) }),
  });
  const logs = [
    log(1, 'checkout accepted', 9, true),
    log(
      3,
      JSON.stringify({ level: isFailed ? 'error' : 'info', msg: 'looking the item up', traceId }),
      isFailed ? 17 : 9,
      false,
    ),
    log(5, 'order placed', 9, true),
    log(9, `|${traceId}| charge created`, 9, false),
  ];
  return { traceId, spans, logs };
}

function attributesOf(name: string, traceId: string, spanId: string): Record<string, Value> {
  if (name.startsWith('SELECT') || name.startsWith('INSERT')) {
    const statement = name.startsWith('SELECT')
      ? 'SELECT i.isbn, i.title, p.amount FROM items AS i JOIN prices AS p ON p.isbn = i.isbn WHERE i.isbn = $1'
      : 'INSERT INTO outbox (topic, payload, traceparent) VALUES ($1, $2, $3)';
    return {
      'db.system.name': 'postgresql',
      'db.operation.name': name.split(' ')[0] ?? '',
      'db.query.text': `/* traceparent='00-${traceId}-${spanId}-01' */ ${statement}`,
    };
  }
  const [method = '', path = ''] = name.split(' ');
  if (!path.startsWith('/')) return { 'messaging.system': 'nats', 'messaging.destination.name': 'order.created' };
  return { 'http.request.method': method, 'http.route': path, 'url.path': path, 'http.response.status_code': 200 };
}

/** Fills a server with the last minutes of a shop; gives the newest checkout that failed and the newest that did not. */
export async function fill(
  server: TrefoilServer,
  { checkouts = 30, tenant }: { checkouts?: number; tenant?: string } = {},
) {
  const now = Date.now();
  const all = Array.from({ length: checkouts }, (_, index) =>
    checkout(now - 2_000 - index * 10_000, `${tenant ?? ''}${index}`, { isFailed: index % 10 === 1 }),
  );
  await server.send('traces', otlpTraces(all.flatMap(({ spans }) => spans)), tenant);
  await server.send('logs', otlpLogs(all.flatMap(({ logs }) => logs)), tenant);
  const [good, failed] = all;
  const root = good?.spans[0];
  if (!good || !failed || !root) throw new RangeError('at least two checkouts');
  await server.send(
    'metrics',
    otlpHistogram({
      service: 'gateway',
      metric: 'http.server.request.duration',
      at: root.start + root.duration,
      value: root.duration / 1000,
      traceId: good.traceId,
      spanId: root.spanId,
    }),
    tenant,
  );
  return { good, failed };
}
