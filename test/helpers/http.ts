/** A raw HTTP/1.1 client on node:net: it retries nothing, hides nothing, and leaves connections to the test. */
import { connect, type Socket } from 'node:net';
import { type Answer, ResponseParser } from './response-parser.ts';

export type { Answer } from './response-parser.ts';

/** `http://HOST:PORT`, `HOST:PORT` or `unix:/PATH`. */
export type Target = string;

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  timeoutMs?: number;
}

export function socketOptions(target: Target): { path: string } | { host: string; port: number } {
  if (target.startsWith('unix:')) return { path: target.slice(5) };
  const url = new URL(target.includes('://') ? target : `http://${target}`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}

function pathOf(target: Target): string {
  if (!target.includes('://')) return '/';
  const url = new URL(target);
  return url.pathname + url.search;
}

/** The text of a request; Content-Length and Host are added where they are missing. */
export function requestText(path: string, options: RequestOptions = {}): string {
  const { method = 'GET', headers = {}, body } = options;
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const lines = [`${method} ${path} HTTP/1.1`];
  if (!names.includes('host')) lines.push('Host: test');
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  const announced = names.includes('content-length') || names.includes('transfer-encoding');
  if (body !== undefined && !announced) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

/** An open connection on which a test writes what it likes. */
export class Connection {
  readonly socket: Socket;
  /** Resolves when the connection has ended, with the error that ended it. */
  readonly closed: Promise<NodeJS.ErrnoException | undefined>;
  readonly answers: Answer[] = [];
  /** All bytes received. */
  received = '';
  /** The server has ended the connection (in order or not). */
  ended = false;
  /** It ended in the middle of an answer. */
  cut = false;
  #error: NodeJS.ErrnoException | undefined;
  #taken = 0;
  readonly #parser = new ResponseParser((answer) => this.answers.push(answer));
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on('data', (data) => {
        this.received += data.toString('latin1');
        try {
          this.#parser.feed(data);
        } catch (error) {
          socket.destroy(error as Error);
        }
        this.#look();
      });
      socket.on('end', () => this.#end());
      socket.on('error', (error) => {
        this.#error = error;
      });
      socket.on('close', () => {
        this.#end();
        resolve(this.#error);
      });
    });
  }

  /** The head, and what there is of the body, of an answer that is still arriving. */
  get partial(): Readonly<Answer> | undefined {
    return this.#parser.partial;
  }

  #end(): void {
    if (!this.ended) this.cut = !this.#parser.end();
    this.ended = true;
    this.#look();
  }

  #look(): void {
    for (const look of this.#waiting) look();
  }

  /** Resolves when the condition holds; rejects when the connection ends without it, or after `timeoutMs` (10 s). */
  until(condition: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        act();
      };
      const fail = (why: string) =>
        settle(() =>
          reject(
            new Error(`${why} while waiting for ${what}; received: ${JSON.stringify(this.received)}`, {
              cause: this.#error,
            }),
          ),
        );
      const look = () => {
        if (condition()) settle(resolve);
        else if (this.ended) fail(`the connection ended${this.#error === undefined ? '' : ` (${this.#error.code})`}`);
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms went by`), timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** Says that the next request written by hand has this method (matters for HEAD only). */
  expect(method: string): void {
    this.#parser.expect(method);
  }

  /** The next answer that was not yet taken. */
  async next(timeoutMs?: number): Promise<Answer> {
    const index = this.#taken++;
    await this.until(() => this.answers.length > index, `answer ${index + 1}`, timeoutMs);
    return this.answers[index] as Answer;
  }

  /** Writes a request and resolves to its answer. The connection stays open unless the server closes it. */
  request(path = '/', options: RequestOptions = {}): Promise<Answer> {
    this.#parser.expect(options.method ?? 'GET');
    this.write(requestText(path, options));
    return this.next(options.timeoutMs);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Connects. Rejects with the system's error (ECONNREFUSED, ENOENT, …). */
export function openKeepAlive(target: Target, timeoutMs = 10_000): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...socketOptions(target), noDelay: true });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection to ${target} in ${timeoutMs} ms`)),
      timeoutMs,
    );
    const connection = new Connection(socket);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(connection);
    });
    socket.once('error', reject);
  });
}

/** One request on a connection of its own, which ends with it. The path is that of the URL, if `path` is not given. */
export async function get(target: Target, path = pathOf(target), options: RequestOptions = {}): Promise<Answer> {
  const connection = await openKeepAlive(target, options.timeoutMs);
  try {
    return await connection.request(path, { ...options, headers: { Connection: 'close', ...options.headers } });
  } finally {
    connection.destroy();
  }
}

/** Writes the text as it is (several requests: pipelining) and waits for that many answers. */
export async function rawRequest(target: Target, text: string, count = 1, timeoutMs = 10_000): Promise<Connection> {
  const connection = await openKeepAlive(target, timeoutMs);
  connection.write(text);
  await connection
    .until(() => connection.answers.length >= count, `${count} answers`, timeoutMs)
    .finally(() => connection.destroy());
  return connection;
}
