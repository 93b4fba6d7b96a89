/** How often a screen asks again, as Grafana writes it in addresses: `5s`, `1m`, `1h`; nothing: never. */

export const REFRESH_CHOICES = ['', '5s', '10s', '30s', '1m', '5m', '15m'];

const SIZE = { s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds; 0 for never and for what cannot be read. At least a second. */
export function parseRefresh(text: string | undefined): number {
  const match = /^(\d{1,4})([smh])$/.exec(text ?? '');
  if (!match) return 0;
  return Math.max(1000, Number(match[1]) * SIZE[match[2] as keyof typeof SIZE]);
}
