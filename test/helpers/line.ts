/** A connection of the load client. */
import type { Socket } from 'node:net';
import { type Answer, ResponseParser } from './response-parser.ts';

export type Loss =
  | 'refused' // no connection: nobody listens, or the socket file is gone
  | 'resetFresh' // the first request of a connection was written, no byte of an answer came
  | 'resetKept' // the same for a later request of a kept-alive connection
  | 'cutBody' // the connection ended in the middle of an answer
  | 'timeout' // no complete answer in time
  | 'badStatus'; // an answer with an unexpected status or content

export type Outcome = { answer: Answer } | { loss: Loss; detail: string };

/** One connection, on which one request at a time is asked. */
export class Line {
  readonly socket: Socket;
  /** No further request can be asked here. */
  ended = false;
  #connected = false;
  #asked = 0;
  #error: NodeJS.ErrnoException | undefined;
  #answered: ((outcome: Outcome) => void) | undefined;
  readonly #parser = new ResponseParser((answer) => this.#answered?.({ answer }));

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('connect', () => {
      this.#connected = true;
    });
    socket.on('data', (data) => {
      try {
        this.#parser.feed(data);
      } catch (error) {
        this.ended = true;
        this.#answered?.({ loss: 'badStatus', detail: String(error) });
      }
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  #end(): void {
    if (this.ended) return;
    this.ended = true;
    const whole = this.#parser.end(); // may complete an answer that ends with the connection
    const how = this.#error?.code ?? 'the connection was closed';
    if (!this.#connected) this.#answered?.({ loss: 'refused', detail: how });
    else if (!whole) this.#answered?.({ loss: 'cutBody', detail: how });
    else
      this.#answered?.({
        loss: this.#asked > 1 ? 'resetKept' : 'resetFresh',
        detail: `request ${this.#asked} of its connection: ${how}`,
      });
  }

  ask(method: string, text: string, slowBodyMs: number | undefined, timeoutMs: number): Promise<Outcome> {
    this.#asked++;
    this.#parser.expect(method);
    return new Promise((resolve) => {
      let later: NodeJS.Timeout | undefined;
      const timer = setTimeout(() => {
        this.#answered?.({ loss: 'timeout', detail: `${timeoutMs} ms` });
      }, timeoutMs);
      this.#answered = (outcome) => {
        this.#answered = undefined;
        clearTimeout(timer);
        clearTimeout(later);
        resolve(outcome);
      };
      if (slowBodyMs === undefined) {
        this.socket.write(text);
      } else {
        const half = Math.ceil((text.indexOf('\r\n\r\n') + 4 + text.length) / 2);
        this.socket.write(text.slice(0, half));
        later = setTimeout(() => this.socket.write(text.slice(half)), slowBodyMs);
      }
    });
  }
}
