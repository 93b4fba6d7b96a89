/** Stands between the browser and a server, and fails on demand. */

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

export type Weather =
  /** Hands everything on. */
  | 'fine'
  /** Nobody there: connections are cut before an answer. */
  | 'away'
  /** Answers wait until the weather changes. */
  | 'slow'
  /** Every question is answered with this status. */
  | { status: number; body: string }
  /** The first half of each answer, then the connection is cut. */
  | 'half';

export class Gate {
  private weather: Weather = 'fine';
  private waiting: (() => void)[] = [];

  private constructor(
    private readonly target: URL,
    private readonly server: Server,
  ) {}

  static async start(target: string): Promise<Gate> {
    const server = createServer();
    const gate = new Gate(new URL(target), server);
    server.on('request', (incoming, answer) => gate.handle(incoming, answer));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return gate;
  }

  get url(): string {
    const address = this.server.address();
    if (typeof address !== 'object' || address === null) throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Changes the weather; answers that waited go out now. */
  set(weather: Weather): void {
    this.weather = weather;
    const waiting = this.waiting;
    this.waiting = [];
    for (const go of waiting) go();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  private handle(incoming: IncomingMessage, answer: ServerResponse): void {
    // The page itself and its parts are not what is tested, unless nobody is there at all.
    const isQuestion = /^\/(api|tempo)\//.test(incoming.url ?? '');
    const weather = this.weather;
    if (weather === 'away') {
      incoming.socket.destroy();
      return;
    }
    if (!isQuestion || weather === 'fine') {
      this.forward(incoming, answer, false);
      return;
    }
    if (weather === 'slow') {
      this.waiting.push(() => this.handle(incoming, answer));
      return;
    }
    if (weather === 'half') {
      this.forward(incoming, answer, true);
      return;
    }
    answer.writeHead(weather.status, { 'Content-Type': 'application/json' }).end(weather.body);
  }

  private forward(incoming: IncomingMessage, answer: ServerResponse, isHalf: boolean): void {
    const { hostname, port } = this.target;
    // Halves are cut out of plain text.
    const headers = isHalf ? { ...incoming.headers, 'accept-encoding': 'identity' } : incoming.headers;
    const outgoing = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, (reply) => {
      if (!isHalf) {
        answer.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(answer);
        return;
      }
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('end', () => {
        const body = Buffer.concat(chunks);
        answer.writeHead(reply.statusCode ?? 502, { ...reply.headers, 'content-length': String(body.length) });
        answer.write(body.subarray(0, Math.floor(body.length / 2)), () => incoming.socket.destroy());
      });
    });
    outgoing.on('error', () => answer.destroy());
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }
}
