/**
 * An HTTP server that no client can block or fill: each connection has one request and a few seconds for it, and of too
 * many connections those that have waited longest go.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Reply } from './routes.ts';

const MAX_BODY_BYTES = 64 * 1024;

/** How long a request may take to arrive, and an answer to be taken, milliseconds. */
const PATIENCE_MS = 5000;

const MAX_CONNECTIONS = 64;

/** How long the last answers may take, milliseconds. */
const LAST_ANSWERS_MS = 300;

export class ControlServer {
  readonly server: Server;
  readonly #reply: (method: string, target: string) => Reply | Promise<Reply>;
  /** Oldest first. */
  readonly #connections = new Set<Socket>();
  /** Requests that wait for their answer, with their connections. */
  readonly #waiting = new Map<ServerResponse, Socket>();

  constructor(reply: (method: string, target: string) => Reply | Promise<Reply>) {
    this.#reply = reply;
    this.server = createServer({
      maxHeaderSize: 8 * 1024,
      headersTimeout: PATIENCE_MS,
      requestTimeout: PATIENCE_MS,
      connectionsCheckingInterval: 1000,
    });
    this.server.setTimeout(PATIENCE_MS);
    this.server.on('connection', (socket: Socket) => this.#connected(socket));
    this.server.on('request', (request, response) => this.#requested(request, response));
  }

  /** Gives whoever still waits this answer, and closes. */
  async stop(last: Reply): Promise<void> {
    this.server.close();
    const open = [...this.#waiting.keys()];
    const taken = open.map((response) => new Promise((resolve) => response.once('close', resolve)));
    for (const response of open) this.#send(response, last);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, LAST_ANSWERS_MS);
    });
    await Promise.race([Promise.all(taken), late]);
    clearTimeout(timer);
    for (const socket of this.#connections) socket.destroy();
  }

  #connected(socket: Socket): void {
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    if (this.#connections.size <= MAX_CONNECTIONS) return;
    // To refuse the newest instead would let a few idle ones keep the probes out.
    const busy = new Set(this.#waiting.values());
    const idle = [...this.#connections].find((each) => !busy.has(each)) ?? socket;
    idle.destroy();
  }

  #requested(request: IncomingMessage, response: ServerResponse): void {
    let bytes = 0;
    request.on('error', () => {});
    response.on('error', () => {});
    response.once('close', () => this.#waiting.delete(response));
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) this.#send(response, { status: 413, body: { error: 'the body is too large' } });
    });
    request.on('end', async () => {
      if (response.headersSent) return;
      this.#waiting.set(response, request.socket);
      // A rollout takes its time.
      request.socket.setTimeout(0);
      const { method = '', url = '' } = request;
      try {
        this.#send(response, await this.#reply(method, url));
      } catch (error) {
        // Whoever asked is told; the master goes on.
        this.#send(response, { status: 500, body: { error: String(error) } });
      }
    });
  }

  #send(response: ServerResponse, { status, body, headers }: Reply): void {
    if (response.headersSent || response.destroyed) return;
    const text = `${JSON.stringify(body)}\n`;
    response.socket?.setTimeout(PATIENCE_MS);
    response.writeHead(status, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
      Connection: 'close',
      ...headers,
    });
    response.end(text);
  }
}
