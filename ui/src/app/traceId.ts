/**
 * The trace id in what somebody pasted: 32 hexadecimal digits (16 for the ids of older systems), with dashes as a UUID, in
 * a `traceparent`, or in the address of a trace. Undefined where there is none.
 */
export function readTraceId(text: string): string | undefined {
  const trimmed = text.trim().toLowerCase();
  const parent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(trimmed)?.[1];
  const address = /\/traces?\/([0-9a-f]{16,32})(?:[/?#]|$)/.exec(trimmed)?.[1];
  const id =
    parent ??
    address ??
    trimmed
      .replace(/^0x/, '')
      .replaceAll('-', '')
      .replace(/^"(.*)"$/, '$1');
  if (!/^([0-9a-f]{32}|[0-9a-f]{16})$/.test(id) || /^0+$/.test(id)) return undefined;
  return id.padStart(32, '0');
}
