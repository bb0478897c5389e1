import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:net';
import type { Boot } from '../shared/protocol.ts';
import { isHttp2 } from './listen-server.ts';

const CHANNEL = 'http.server.request.start';

/** `--max-requests`: counts the requests of this worker, of whichever of its servers, and says once that they were enough. */
export class RequestCount {
  readonly #reached: () => void;
  #left: number;
  #counting = false;

  /** The jitter is drawn here, since workers that were started together would end together. */
  constructor({ count, jitter }: NonNullable<Boot['maxRequests']>, reached: () => void) {
    this.#left = count + Math.floor(Math.random() * (jitter + 1));
    this.#reached = reached;
  }

  /** Until the worker accepts, what it is asked is `--verify` and the like. */
  begin(): void {
    if (this.#counting) return;
    this.#counting = true;
    subscribe(CHANNEL, this.#one);
  }

  /** Node does not publish the streams of HTTP/2 on all its lines. */
  watch(server: Server): void {
    if (isHttp2(server)) server.on('stream', this.#one);
  }

  readonly #one = (): void => {
    if (!this.#counting || --this.#left > 0) return;
    this.#counting = false;
    unsubscribe(CHANNEL, this.#one);
    this.#reached();
  };
}
