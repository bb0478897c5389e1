/**
 * Load from several connections at once that reports every lost request. It is honest: nothing is retried. A kept-alive
 * connection that the server closes while nothing is asked is simply opened anew; one that it closes before a byte of the
 * answer to a request that was just written is a lost request (`resetKept`), though the server may call it idle.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { requestText, socketOptions, type Target } from './http.ts';
import { Line, type Loss, type Outcome } from './line.ts';
import type { Answer } from './response-parser.ts';

export type { Loss } from './line.ts';

export interface LoadOptions {
  target: Target;
  /** Connections at a time; default 10. */
  connections?: number;
  /** Default true: as many requests per connection as the server lets. */
  keepAlive?: boolean;
  /** Ends after so many requests; default: goes on until stop(). */
  requests?: number;
  /** A random pause after each answer: of up to so many milliseconds, or between two bounds; default 0. */
  thinkMs?: number | [from: number, to: number];
  /** The second half of the body is sent so much later. */
  slowBodyMs?: number;
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string;
  /** For one request, connecting included; default 10 s. */
  timeoutMs?: number;
  /** What a good answer is; default: status 200 to 399. */
  accept?: (answer: Answer) => boolean;
}

export interface LoadResult {
  /** Requests that ended, well or not. */
  requests: number;
  ok: number;
  lost: Record<Loss, number>;
  /** Sum of `lost`. */
  failures: number;
  /** Connections that were opened. */
  opened: number;
  /** Answers after which the server asked to close the connection. */
  lastOnes: number;
  /** Milliseconds, of the good requests. */
  latency: { p50: number; p90: number; p99: number; max: number };
  /** The first failures in words. */
  examples: string[];
}

export class LoadClient {
  readonly #options: Required<Pick<LoadOptions, 'connections' | 'keepAlive' | 'thinkMs' | 'timeoutMs' | 'accept'>> &
    LoadOptions;
  readonly #text: string;
  readonly #lost: Record<Loss, number> = {
    refused: 0,
    resetFresh: 0,
    resetKept: 0,
    cutBody: 0,
    timeout: 0,
    badStatus: 0,
  };
  readonly #latencies: number[] = [];
  readonly #examples: string[] = [];
  readonly #started = performance.now();
  readonly #stopping = new AbortController();
  #asked = 0;
  #opened = 0;
  #lastOnes = 0;
  /** Resolves when the load has ended by itself or by stop(). */
  readonly done: Promise<LoadResult>;

  constructor(options: LoadOptions) {
    this.#options = {
      connections: 10,
      keepAlive: true,
      thinkMs: 0,
      timeoutMs: 10_000,
      accept: ({ status }) => status >= 200 && status < 400,
      ...options,
    };
    const { path = '/', body, method = body === undefined ? 'GET' : 'POST', headers } = options;
    const close = this.#options.keepAlive ? {} : { Connection: 'close' };
    this.#text = requestText(path, {
      method,
      headers: { ...close, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const all = Array.from({ length: this.#options.connections }, () => this.#visitor(method));
    this.done = Promise.all(all).then(() => this.result());
  }

  /** Lets the requests under way finish, then closes all connections. */
  stop(): Promise<LoadResult> {
    this.#stopping.abort();
    return this.done;
  }

  result(): LoadResult {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
    const failures = Object.values(this.#lost).reduce((sum, count) => sum + count, 0);
    return {
      requests: sorted.length + failures,
      ok: sorted.length,
      lost: { ...this.#lost },
      failures,
      opened: this.#opened,
      lastOnes: this.#lastOnes,
      latency: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
      examples: [...this.#examples],
    };
  }

  /** One visitor at a time on one connection at a time. */
  async #visitor(method: string): Promise<void> {
    let line: Line | undefined;
    while (!this.#stopping.signal.aborted && this.#asked < (this.#options.requests ?? Number.POSITIVE_INFINITY)) {
      this.#asked++;
      const start = performance.now();
      if (line === undefined || line.ended) {
        line?.socket.destroy();
        line = new Line(connect({ ...socketOptions(this.#options.target), noDelay: true }));
        this.#opened++;
      }
      const outcome = await line.ask(method, this.#text, this.#options.slowBodyMs, this.#options.timeoutMs);
      this.#count(outcome, start);
      if (!('answer' in outcome)) {
        line.socket.destroy();
        line = undefined;
        if (outcome.loss === 'refused') await sleep(5); // nobody is served by asking faster
      } else if (!outcome.answer.keepAlive || !this.#options.keepAlive) {
        if (!outcome.answer.keepAlive) this.#lastOnes++;
        line.socket.destroy();
        line = undefined;
      }
      const pause = this.#pause();
      if (pause > 0) await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    line?.socket.destroy();
  }

  #pause(): number {
    const { thinkMs } = this.#options;
    const [from, to] = typeof thinkMs === 'number' ? [0, thinkMs] : thinkMs;
    return from + Math.random() * (to - from);
  }

  #count(outcome: Outcome, start: number): void {
    if ('answer' in outcome && this.#options.accept(outcome.answer)) {
      this.#latencies.push(performance.now() - start);
      return;
    }
    const failed =
      'answer' in outcome
        ? { loss: 'badStatus' as const, detail: `${outcome.answer.status} ${outcome.answer.body.slice(0, 80)}` }
        : outcome;
    this.#lost[failed.loss]++;
    if (this.#examples.length < 20) {
      this.#examples.push(`${Math.round(start - this.#started)} ms: ${failed.loss}: ${failed.detail}`);
    }
  }
}
