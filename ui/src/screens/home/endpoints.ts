/** Where programs send OTLP to, seen from the page: the server knows its listeners, the page knows how it was reached. */

import type { Status } from '~/api/status';

export interface Endpoint {
  /** As `OTEL_EXPORTER_OTLP_PROTOCOL` names it. */
  protocol: 'grpc' | 'http/protobuf';
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`; SDKs append `/v1/traces` and the like over HTTP. */
  url: string;
  /** It listens on loopback: programs on other machines, and in containers, do not reach it. */
  isLocal: boolean;
  /** Programs beside the browser reach it. */
  isReachable: boolean;
}

/** How the page was reached; a `Location` is one. */
export interface PageAddress {
  origin: string;
  hostname: string;
}

/** Every way in, the best for a program beside the browser first: HTTP before gRPC, since all SDKs and proxies speak it. */
export function endpointsOf(otlp: Status['otlp'], page: PageAddress): Endpoint[] {
  const main: Endpoint = {
    protocol: 'http/protobuf',
    url: `${page.origin}/otlp`,
    isLocal: isLoopback(page.hostname),
    isReachable: true,
  };
  const all = [
    otlp.http === null ? [] : listener('http/protobuf', otlp.http, page),
    otlp.main ? [main] : [],
    otlp.grpc === null ? [] : listener('grpc', otlp.grpc, page),
  ].flat();
  return all.toSorted((a, b) => Number(b.isReachable) - Number(a.isReachable));
}

function listener(protocol: Endpoint['protocol'], address: string, page: PageAddress): Endpoint[] {
  const match = /^(.*):(\d+)$/.exec(address);
  const [, host, port] = match ?? [];
  if (host === undefined || port === undefined) return [];
  const bare = host.replace(/^\[|\]$/g, '');
  // A listener on every address is reached the way the page was.
  const name = bare === '' || bare === '0.0.0.0' || bare === '::' ? page.hostname : bare;
  const isLocal = isLoopback(name);
  const url = `http://${name.includes(':') && !name.startsWith('[') ? `[${name}]` : name}:${port}`;
  return [{ protocol, url, isLocal, isReachable: !isLocal || isLoopback(page.hostname) }];
}

export function isLoopback(host: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
