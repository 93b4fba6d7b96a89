import { describe, expect, it } from 'vitest';
import { endpointsOf, isLoopback } from '~/screens/home/endpoints';

const here = { origin: 'http://localhost:3000', hostname: 'localhost' };
const far = { origin: 'https://trefoil.example', hostname: 'trefoil.example' };

function urls(otlp: Parameters<typeof endpointsOf>[0], page = here) {
  return endpointsOf(otlp, page).map(({ url, isReachable }) => (isReachable ? url : `(${url})`));
}

describe('endpointsOf', () => {
  it('takes listeners as they are where the browser runs beside the server', () => {
    expect(urls({ grpc: '127.0.0.1:4317', http: '127.0.0.1:4318', main: true })).toEqual([
      'http://127.0.0.1:4318',
      'http://localhost:3000/otlp',
      'http://127.0.0.1:4317',
    ]);
  });

  it('prefers what a browser elsewhere reaches', () => {
    expect(urls({ grpc: '127.0.0.1:4317', http: '127.0.0.1:4318', main: true }, far)).toEqual([
      'https://trefoil.example/otlp',
      '(http://127.0.0.1:4318)',
      '(http://127.0.0.1:4317)',
    ]);
  });

  it('reaches listeners on every address the way the page was', () => {
    expect(urls({ grpc: '[::]:4317', http: '0.0.0.0:4318', main: false }, far)).toEqual([
      'http://trefoil.example:4318',
      'http://trefoil.example:4317',
    ]);
    expect(
      urls({ grpc: null, http: '0.0.0.0:4318', main: false }, { origin: 'http://[::1]:3000', hostname: '[::1]' }),
    ).toEqual(['http://[::1]:4318']);
  });

  it('keeps addresses of IPv6 in brackets', () => {
    expect(urls({ grpc: '[fd00::1]:4317', http: null, main: false }, far)).toEqual(['http://[fd00::1]:4317']);
  });

  it('is empty where OTLP is switched off, and survives what it cannot read', () => {
    expect(urls({ grpc: null, http: null, main: false })).toEqual([]);
    expect(urls({ grpc: 'unix:/run/otlp', http: null, main: false })).toEqual([]);
  });
});

describe('isLoopback', () => {
  it.each(['localhost', 'x.localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]'])('%s is', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['trefoil.example', '10.0.0.1', '127.example.com', 'localhost.example'])('%s is not', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
