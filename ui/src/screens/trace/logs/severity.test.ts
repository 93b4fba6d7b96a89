import { expect, it } from 'vitest';
import { severityName, severityTone } from '~/screens/trace/logs/severity';

it.each([
  [1, 'trace', 'quiet'],
  [4, 'trace', 'quiet'],
  [5, 'debug', 'quiet'],
  [9, 'info', 'quiet'],
  [12, 'info', 'quiet'],
  [13, 'warn', 'warning'],
  [17, 'error', 'error'],
  [20, 'error', 'error'],
  [21, 'fatal', 'error'],
  [24, 'fatal', 'error'],
])('%s is %s', (number, name, tone) => expect([severityName(number, 'X'), severityTone(number)]).toEqual([name, tone]));

it.each([
  [0, 'NOTICE', 'notice'],
  [0, '', 'log'],
  [99, 'Far beyond what is', 'far beyond w'],
  [-4, '', 'log'],
])('%s falls back on the text %j', (number, text, name) => expect(severityName(number, text)).toBe(name));
