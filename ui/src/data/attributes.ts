/** Attributes as OTLP has them: named values with types. Read from OTLP's JSON (spans) and from the store's JSON columns (logs). */

export type AttributeValue =
  | { type: 'string'; text: string }
  | { type: 'bool'; value: boolean }
  /** As digits: 64 bits are more than a number of JavaScript holds. */
  | { type: 'int'; digits: string }
  | { type: 'double'; value: number }
  | { type: 'bytes'; base64: string }
  | { type: 'array'; items: AttributeValue[] }
  | { type: 'map'; entries: Attribute[] }
  | { type: 'empty' };

export interface Attribute {
  key: string;
  value: AttributeValue;
}

const EMPTY: AttributeValue = { type: 'empty' };

/** Deeper values are cut off; no sender nests as deep, and drawing them would overflow the stack. */
const DEEPEST = 32;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The items of a list; none for what is no list. */
export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** OTLP's list of KeyValue; what is none is left out. */
export function otlpAttributes(list: unknown, depth = 0): Attribute[] {
  return listOf(list).flatMap((entry) =>
    isRecord(entry) && typeof entry.key === 'string'
      ? [{ key: entry.key, value: otlpValue(entry.value, depth) }]
      : // A key at its default (empty) is absent in protobuf's JSON.
        isRecord(entry) && entry.key === undefined
        ? [{ key: '', value: otlpValue(entry.value, depth) }]
        : [],
  );
}

/** OTLP's AnyValue. */
export function otlpValue(value: unknown, depth = 0): AttributeValue {
  if (!isRecord(value) || depth > DEEPEST) return EMPTY;
  const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } = value;
  if (typeof stringValue === 'string') return { type: 'string', text: stringValue };
  if (typeof boolValue === 'boolean') return { type: 'bool', value: boolValue };
  if (typeof intValue === 'string' || typeof intValue === 'number') return { type: 'int', digits: String(intValue) };
  // NaN and the infinities come as text.
  if (typeof doubleValue === 'number' || typeof doubleValue === 'string') {
    return { type: 'double', value: Number(doubleValue) };
  }
  if (typeof bytesValue === 'string') return { type: 'bytes', base64: bytesValue };
  if (isRecord(arrayValue)) {
    return { type: 'array', items: listOf(arrayValue.values).map((item) => otlpValue(item, depth + 1)) };
  }
  if (isRecord(kvlistValue)) return { type: 'map', entries: otlpAttributes(kvlistValue.values, depth + 1) };
  return EMPTY;
}

/**
 * A value of the store's JSON columns: plain JSON, with `$double` and `$bytes` for what JSON has not, and `$int` for what
 * JavaScript has not (see [[typed]]).
 */
export function jsonValue(value: unknown, depth = 0): AttributeValue {
  if (typeof value === 'string') return { type: 'string', text: value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'number') {
    return Number.isInteger(value) ? { type: 'int', digits: String(value) } : { type: 'double', value };
  }
  if (depth > DEEPEST) return EMPTY;
  if (Array.isArray(value)) return { type: 'array', items: value.map((item) => jsonValue(item, depth + 1)) };
  if (!isRecord(value)) return EMPTY;
  if (typeof value.$double === 'string') return { type: 'double', value: Number(value.$double) };
  if (typeof value.$int === 'string') return { type: 'int', digits: value.$int };
  if (typeof value.$bytes === 'string') return { type: 'bytes', base64: value.$bytes };
  const entries = Object.entries(value).map(([key, item]) => ({
    key: key.startsWith('$') ? key.slice(1) : key,
    value: jsonValue(item, depth + 1),
  }));
  return { type: 'map', entries };
}

const NUMBERS = /"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g;

/** JSON with the numbers that would lose their type or digits by reading it (`200.0`, more than 53 bits) in words. */
function typed(json: string): string {
  return json.replace(NUMBERS, (piece) => {
    if (piece.startsWith('"')) return piece;
    if (/[.eE]/.test(piece)) return `{"$double":"${piece}"}`;
    return Number.isSafeInteger(Number(piece)) ? piece : `{"$int":"${piece}"}`;
  });
}

/** The attributes in a JSON column; none for NULL. */
export function jsonAttributes(text: string | null): Attribute[] {
  if (text === null) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(typed(text));
  } catch {
    return [];
  }
  if (!isRecord(parsed)) return [];
  return Object.entries(parsed).map(([key, value]) => ({ key, value: jsonValue(value) }));
}

/** A value as text: a string as it is, anything with parts as JSON. For copying, filtering and one-line display. */
export function valueText(value: AttributeValue, indent?: number): string {
  switch (value.type) {
    case 'string':
      return value.text;
    case 'bool':
      return String(value.value);
    case 'int':
      return value.digits;
    case 'double':
      return String(value.value);
    case 'bytes':
      return value.base64;
    case 'empty':
      return '';
    default:
      return JSON.stringify(plain(value), null, indent);
  }
}

/** As a value of JSON; numbers that JSON has not become text. */
function plain(value: AttributeValue): unknown {
  switch (value.type) {
    case 'array':
      return value.items.map(plain);
    case 'map':
      return Object.fromEntries(value.entries.map(({ key, value }) => [key, plain(value)]));
    case 'int':
      return Number.isSafeInteger(Number(value.digits)) ? Number(value.digits) : value.digits;
    case 'double':
      return Number.isFinite(value.value) ? value.value : String(value.value);
    case 'bool':
      return value.value;
    case 'empty':
      return null;
    default:
      return valueText(value);
  }
}

/** For sorting; attributes of the same key stay in their order. */
export function byKey(a: Attribute, b: Attribute): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

export function findAttribute(attributes: readonly Attribute[], key: string): AttributeValue | undefined {
  return attributes.find((attribute) => attribute.key === key)?.value;
}
