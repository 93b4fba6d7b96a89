/** The real bookstore of `trefoil demo`, towards a server of the tests. */

import { type ChildProcess, spawn } from 'node:child_process';
import { binary, freePorts, type TrefoilServer, waitUntil } from './server.ts';

/** A book whose page always breaks the catalog. */
export const FORCED_500 = '__forced_500__';

export class Demo {
  private constructor(
    /** Where the bookstore is called: `http://127.0.0.1:…`. */
    readonly gateway: string,
    private readonly process: ChildProcess,
    private readonly said: string[],
  ) {}

  /** Starts the shop with its customers and waits until it answers. */
  static async start(server: TrefoilServer, ...options: string[]): Promise<Demo> {
    const [port] = await freePorts(1);
    const to = ['--endpoint', `${server.url}/otlp`, '--protocol', 'http/protobuf', '--listen', `127.0.0.1:${port}`];
    const process = spawn(binary(), ['demo', ...to, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
    const said: string[] = [];
    process.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    const demo = new Demo(`http://127.0.0.1:${port}`, process, said);
    await waitUntil(() => demo.isUp(), 'the bookstore answers', 60);
    return demo;
  }

  private async isUp(): Promise<true | undefined> {
    if (this.process.exitCode !== null) throw new Error(`the demo ended:\n${this.said.join('').slice(-4000)}`);
    try {
      return (await fetch(`${this.gateway}/healthz`)).ok ? true : undefined;
    } catch {
      return undefined;
    }
  }

  /** Buys books; gives the id of the trace that tells of it. */
  async checkout(...isbns: string[]): Promise<string> {
    const answer = await fetch(`${this.gateway}/api/v2/checkout`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ items: isbns.map((isbn) => ({ isbn, qty: 1 })), payment_method: 'pm_card_visa' }),
    });
    const text = await answer.text();
    const id = /"trace_id":"([0-9a-f]{32})"/.exec(text)?.[1];
    if (!answer.ok || !id) throw new Error(`checkout: ${answer.status} ${text}`);
    return id;
  }

  async close(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((ended) => this.process.once('exit', ended));
    this.process.kill('SIGKILL');
    await ended;
  }
}
