/** A real server of the tests' own: on free ports, with a data directory that goes with it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const START_SECONDS = 60;

/** The program under test; a debug build shows `ui/dist` of the checkout that it was built in. */
export function binary(): string {
  const directory = process.env.TREFOIL_BIN_DIR ?? resolve(import.meta.dirname, '../../target/debug');
  const path = join(directory, 'trefoil');
  if (!existsSync(path)) throw new Error(`${path} is missing; run \`make build\``);
  return path;
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<{ port: number; close: () => void }>((taken, failed) => {
          const server = createServer();
          server.on('error', failed);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            if (typeof address !== 'object' || address === null) return failed(new Error('no port'));
            taken({ port: address.port, close: () => server.close() });
          });
        }),
    ),
  );
  for (const { close } of servers) close();
  return servers.map(({ port }) => port);
}

/** Asks every 50 ms until there is an answer; fails with `what` when there is none in time. */
export async function waitUntil<T>(condition: () => Promise<T | undefined>, what: string, seconds = 30): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((awake) => setTimeout(awake, 50));
  }
}

/** The sections of a configuration that say where a server listens: gRPC, HTTP, main, Tempo, internal, Prometheus. */
export function listenersAt(ports: readonly number[]) {
  const off = { enabled: false };
  const [grpc, http, main, tempo, internal, prometheus] = ports.map((port) => ({ endpoint: `127.0.0.1:${port}` }));
  return {
    receivers: { otlp: { protocols: { grpc, http } } },
    exporters: { trefoil: {} },
    service: {
      pipelines: Object.fromEntries(
        ['traces', 'metrics', 'logs'].map((signal) => [signal, { receivers: ['otlp'], exporters: ['trefoil'] }]),
      ),
    },
    listeners: { main, tempo, internal, prometheus, loki: off, jaeger: off, jaeger_grpc: off },
  };
}

export class TrefoilServer {
  private constructor(
    readonly directory: string,
    /** Where the screens are: `http://127.0.0.1:…`, without a slash at the end. */
    readonly url: string,
    /** What `TrefoilServer.start` was given, and where it listens. */
    private readonly ports: number[],
    private process: ChildProcess | undefined,
  ) {}

  /** Starts one and waits until it is ready. `config` is merged over the listeners, section by section. */
  static async start(config: Record<string, unknown> = {}): Promise<TrefoilServer> {
    const directory = await mkdtemp(join(tmpdir(), 'trefoil-e2e-'));
    const ports = await freePorts(6);
    const server = new TrefoilServer(directory, `http://127.0.0.1:${ports[2]}`, ports, undefined);
    await writeFile(join(directory, 'trefoil.yaml'), JSON.stringify({ ...listenersAt(ports), ...config }));
    await server.launch();
    return server;
  }

  /** Starts the program again on the same ports and data, after `kill`. */
  async launch(): Promise<void> {
    const log = await open(join(this.directory, 'server.log'), 'a');
    const data = join(this.directory, 'data');
    this.process = spawn(binary(), ['serve', '--config', join(this.directory, 'trefoil.yaml'), '--data-dir', data], {
      stdio: ['ignore', log.fd, log.fd],
    });
    await log.close();
    await waitUntil(() => this.isReady(), `the server is ready\n${await this.log()}`, START_SECONDS);
  }

  private async isReady(): Promise<true | undefined> {
    if (this.process?.exitCode !== null) throw new Error(`the server ended:\n${await this.log()}`);
    try {
      const answer = await fetch(`http://127.0.0.1:${this.ports[4]}/readyz`);
      return answer.ok ? true : undefined;
    } catch {
      return undefined;
    }
  }

  private async log(): Promise<string> {
    const path = join(this.directory, 'server.log');
    return existsSync(path) ? (await readFile(path, 'utf8')).slice(-4000) : '';
  }

  /** Sends one request of OTLP/JSON; what was acknowledged can be queried. */
  async send(signal: 'traces' | 'logs' | 'metrics', body: unknown, tenant?: string): Promise<void> {
    const answer = await fetch(`${this.url}/otlp/v1/${signal}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(tenant && { 'X-Scope-OrgID': tenant }) },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok || text.includes('rejected')) throw new Error(`${signal}: ${answer.status} ${text}`);
  }

  /** kill -9: what was acknowledged is there after the next `launch`. */
  async kill(): Promise<void> {
    const { process } = this;
    if (!process || process.exitCode !== null) return;
    const ended = new Promise((ended) => process.once('exit', ended));
    process.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}
