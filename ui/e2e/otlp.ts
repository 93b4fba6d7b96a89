/** OTLP/JSON from short descriptions. Instants are milliseconds since the epoch, with fractions. */

export type Value = string | number | boolean | Value[] | { [key: string]: Value };
export type Attributes = Record<string, Value>;

export interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  service: string;
  name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind?: 1 | 2 | 3 | 4 | 5;
  start: number;
  /** Milliseconds. */
  duration: number;
  attributes?: Attributes;
  /** Beside the service's name. */
  resource?: Attributes;
  /** Present: the span failed, with this message. */
  error?: string;
  events?: { name: string; at: number; attributes?: Attributes }[];
  links?: { traceId: string; spanId: string; attributes?: Attributes }[];
}

export interface LogRecord {
  service: string;
  at: number;
  body: Value;
  /** 9 info, 13 warning, 17 error. */
  severity?: number;
  traceId?: string;
  spanId?: string;
  attributes?: Attributes;
  resource?: Attributes;
}

export function otlpTraces(spans: readonly Span[]) {
  return {
    resourceSpans: byResource(spans).map(({ resource, items }) => ({
      resource,
      scopeSpans: [{ scope: { name: 'e2e', version: '1' }, spans: items.map(spanOf) }],
    })),
  };
}

export function otlpLogs(records: readonly LogRecord[]) {
  return {
    resourceLogs: byResource(records).map(({ resource, items }) => ({
      resource,
      scopeLogs: [{ scope: { name: 'e2e' }, logRecords: items.map(recordOf) }],
    })),
  };
}

/** One histogram point with an exemplar, as a service's SDK sends it. Values in seconds. */
export function otlpHistogram(point: {
  service: string;
  metric: string;
  at: number;
  value: number;
  traceId: string;
  spanId: string;
}) {
  const timeUnixNano = nanoseconds(point.at);
  return {
    resourceMetrics: [
      {
        resource: { attributes: attributesOf({ 'service.name': point.service }) },
        scopeMetrics: [
          {
            scope: { name: 'e2e' },
            metrics: [
              {
                name: point.metric,
                unit: 's',
                histogram: {
                  aggregationTemporality: 2,
                  dataPoints: [
                    {
                      startTimeUnixNano: nanoseconds(point.at - 60_000),
                      timeUnixNano,
                      count: '1',
                      sum: point.value,
                      bucketCounts: ['0', '1', '0'],
                      explicitBounds: [0.001, 10],
                      exemplars: [
                        { timeUnixNano, asDouble: point.value, traceId: point.traceId, spanId: point.spanId },
                      ],
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  };
}

/** `length` hexadecimal digits that are the same for the same seed. */
export function id(seed: string | number, length: 16 | 32): string {
  let hash = 0x811c9dc5;
  let digits = '';
  for (let round = 0; digits.length < length; round++) {
    for (const character of `${seed}#${round}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
    digits += hash.toString(16).padStart(8, '0');
  }
  return digits.slice(0, length);
}

function byResource<T extends { service: string; resource?: Attributes }>(items: readonly T[]) {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = JSON.stringify([item.service, item.resource]);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()].map((items) => ({
    resource: { attributes: attributesOf({ 'service.name': items[0]?.service ?? '', ...items[0]?.resource }) },
    items,
  }));
}

function spanOf(span: Span) {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId && { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: span.kind ?? 1,
    startTimeUnixNano: nanoseconds(span.start),
    endTimeUnixNano: nanoseconds(span.start + span.duration),
    attributes: attributesOf(span.attributes),
    status: span.error === undefined ? {} : { code: 2, message: span.error },
    events: (span.events ?? []).map(({ name, at, attributes }) => ({
      name,
      timeUnixNano: nanoseconds(at),
      attributes: attributesOf(attributes),
    })),
    links: (span.links ?? []).map(({ traceId, spanId, attributes }) => ({
      traceId,
      spanId,
      attributes: attributesOf(attributes),
    })),
  };
}

function recordOf(record: LogRecord) {
  return {
    timeUnixNano: nanoseconds(record.at),
    observedTimeUnixNano: nanoseconds(record.at),
    severityNumber: record.severity ?? 9,
    body: anyValue(record.body),
    attributes: attributesOf(record.attributes),
    ...(record.traceId && { traceId: record.traceId }),
    ...(record.spanId && { spanId: record.spanId }),
  };
}

function attributesOf(attributes: Attributes = {}) {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: Value): unknown {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  return { kvlistValue: { values: attributesOf(value) } };
}

function nanoseconds(ms: number): string {
  const whole = Math.floor(ms);
  return String(BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6)));
}
