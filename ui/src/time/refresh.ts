/** How often a screen asks again, as Grafana writes it in addresses: `5s`, `1m`, `1h`; nothing: never. */

export const REFRESH_CHOICES = ['', '5s', '10s', '30s', '1m', '5m', '15m'];

const WRITTEN = /^(\d{1,4})([smh])$/;
const SIZE = { s: 1000, m: 60_000, h: 3_600_000 };

/** Whether `text` says how often; nothing, `off` and `0` say never. */
export function isRefresh(text: string | undefined): boolean {
  return !text || text === 'off' || text === '0' || WRITTEN.test(text);
}

/** Milliseconds; 0 for never and for what cannot be read. At least a second. */
export function parseRefresh(text: string | undefined): number {
  const match = WRITTEN.exec(text ?? '');
  if (!match || Number(match[1]) === 0) return 0;
  return Math.max(1000, Number(match[1]) * SIZE[match[2] as keyof typeof SIZE]);
}
