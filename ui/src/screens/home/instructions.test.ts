import { describe, expect, it } from 'vitest';
import type { Endpoint } from '~/screens/home/endpoints';
import { environment, instructions, LANGUAGES } from '~/screens/home/instructions';

const http: Endpoint = { protocol: 'http/protobuf', url: 'http://localhost:4318', isLocal: true, isReachable: true };
const grpc: Endpoint = { protocol: 'grpc', url: 'http://localhost:4317', isLocal: true, isReachable: true };

describe('instructions', () => {
  it.each(LANGUAGES)('always name the endpoint and the protocol for %s', (language) => {
    for (const endpoint of [http, grpc]) {
      const code = instructions(language, { endpoint, tenant: undefined }).map(({ code }) => code);
      expect(code.join('\n')).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint.url}`);
      expect(code.join('\n')).toContain(`OTEL_EXPORTER_OTLP_PROTOCOL=${endpoint.protocol}\n`.trim());
      expect(code.join('\n')).not.toContain('HEADERS');
    }
  });

  it('choose the transport that Rust has to be told in code', () => {
    const code = (endpoint: Endpoint) =>
      instructions('rust', { endpoint, tenant: undefined })
        .map(({ code }) => code)
        .join('\n');
    expect(code(grpc)).toMatch(/grpc-tonic[\s\S]*with_tonic/);
    expect(code(http)).toContain('with_http');
    expect(code(http)).not.toContain('tonic');
  });
});

describe('environment', () => {
  it('names the tenant, with nothing in it that a shell would read', () => {
    expect(environment({ endpoint: http, tenant: 'acme-books' })).toContain(
      'export OTEL_EXPORTER_OTLP_HEADERS=x-scope-orgid=acme-books',
    );
    const [line] = environment({ endpoint: http, tenant: `$(rm -rf ~)'"\`;&|*!, =é` }).slice(3);
    expect(line?.split('x-scope-orgid=')[1]).toMatch(/^[\w.%-]+$/);
  });
});
