/** One span with everything it has (`GET /api/v1/traces/{traceId}/spans/{spanId}`, OTLP's JSON). */

import { ApiError, requestJson } from '~/api/http';
import { type Attribute, findAttribute, isRecord, listOf, otlpAttributes, valueText } from '~/data/attributes';

export interface SpanEvent {
  name: string;
  /** Nanoseconds after the span's start; negative for events before it. */
  offset: number;
  attributes: Attribute[];
  dropped: number;
}

export interface SpanLink {
  /** Hexadecimal, as all ids. */
  traceId: string;
  spanId: string;
  traceState: string;
  attributes: Attribute[];
}

export interface Span {
  spanId: string;
  name: string;
  service: string;
  /** Nanoseconds; negative where the sender's clock ran backwards. */
  duration: number;
  statusMessage: string;
  traceState: string;
  attributes: Attribute[];
  resource: Attribute[];
  scope: { name: string; version: string; attributes: Attribute[] };
  events: SpanEvent[];
  links: SpanLink[];
  /** What the sender says it left out. */
  dropped: { attributes: number; events: number; links: number };
  /** The span with its resource and scope as it came. */
  json: unknown;
}

/** Spans with this id: one, or several where it was sent twice or two spans share it. An [[ApiError]] with status 404 when there is none. */
export async function fetchSpan(traceId: string, spanId: string, signal?: AbortSignal): Promise<Span[]> {
  const body = await requestJson(`/api/v1/traces/${traceId}/spans/${spanId}`, { signal });
  const spans = decodeSpans(body);
  if (spans.length === 0) throw new ApiError('broken', 'The answer has no span in it.');
  return spans;
}

/** The spans of OTLP JSON (`{"resourceSpans": […]}`). Enums by name or number, ids in base64 or hexadecimal. */
export function decodeSpans(body: unknown): Span[] {
  if (!isRecord(body)) return [];
  return listOf(body.resourceSpans).flatMap((group) => {
    if (!isRecord(group)) return [];
    const resource = isRecord(group.resource) ? otlpAttributes(group.resource.attributes) : [];
    return listOf(group.scopeSpans).flatMap((inner) =>
      isRecord(inner)
        ? listOf(inner.spans).flatMap((span) => (isRecord(span) ? [decodeSpan(span, inner, group, resource)] : []))
        : [],
    );
  });
}

type Json = Record<string, unknown>;

function decodeSpan(span: Json, inner: Json, group: Json, resource: Attribute[]): Span {
  const start = nanoseconds(span.startTimeUnixNano);
  const scope = isRecord(inner.scope) ? inner.scope : {};
  const service = findAttribute(resource, 'service.name');
  return {
    spanId: hexId(span.spanId),
    name: textOf(span.name),
    service: service ? valueText(service) : '',
    duration: Number(nanoseconds(span.endTimeUnixNano) - start),
    statusMessage: isRecord(span.status) ? textOf(span.status.message) : '',
    traceState: textOf(span.traceState),
    attributes: otlpAttributes(span.attributes),
    resource,
    scope: { name: textOf(scope.name), version: textOf(scope.version), attributes: otlpAttributes(scope.attributes) },
    events: listOf(span.events)
      .filter(isRecord)
      .map((event) => ({
        name: textOf(event.name),
        offset: Number(nanoseconds(event.timeUnixNano) - start),
        attributes: otlpAttributes(event.attributes),
        dropped: countOf(event.droppedAttributesCount),
      }))
      .sort((a, b) => a.offset - b.offset),
    links: listOf(span.links)
      .filter(isRecord)
      .map((link) => ({
        traceId: hexId(link.traceId),
        spanId: hexId(link.spanId),
        traceState: textOf(link.traceState),
        attributes: otlpAttributes(link.attributes),
      })),
    dropped: {
      attributes: countOf(span.droppedAttributesCount),
      events: countOf(span.droppedEventsCount),
      links: countOf(span.droppedLinksCount),
    },
    json: {
      resourceSpans: [{ ...group, scopeSpans: [{ ...inner, spans: [span] }] }],
    },
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function nanoseconds(value: unknown): bigint {
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : 0n;
}

/** The hexadecimal form of an id in either of the two that JSON has. Of 8 or 16 bytes, base64 ends in `=` and hexadecimal does not. */
function hexId(value: unknown): string {
  const text = textOf(value);
  if (!text.endsWith('=')) return text.toLowerCase();
  try {
    return Array.from(atob(text), (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('');
  } catch {
    return '';
  }
}
