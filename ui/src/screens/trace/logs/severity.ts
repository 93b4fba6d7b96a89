/** OTLP's severity numbers in words: four of each, from 1. */

const NAMES = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** The word for a severity number; the sender's own text where the number is unknown. */
export function severityName(number: number, text: string): string {
  return NAMES[Math.floor((number - 1) / 4)] ?? (text.slice(0, 12).toLowerCase() || 'log');
}

export function severityTone(number: number): 'error' | 'warning' | 'quiet' {
  if (number >= 17) return 'error';
  return number >= 13 ? 'warning' : 'quiet';
}
