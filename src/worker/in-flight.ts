import type { Server } from 'node:net';
import { send } from './channel.ts';
import { holdListening } from './listen-server.ts';

/**
 * Sockets of the master that are on their way to this worker, over IPC, while `listen()` has its answer already. A
 * duplicate on its way keeps its port taken: only when it has arrived the master is told that it was given back.
 */
export class InFlight {
  /** To be accepted on. */
  readonly #wanted = new Set<number>();
  /** To be put into LISTEN, and what then lets the server say that it listens. */
  readonly #unprimed = new Map<number, (() => void) | undefined>();
  /** Given back meanwhile, once for each time. */
  #owed: number[] = [];
  #whenNoneWanted: (() => void) | undefined;

  /** Asks for a socket; the answer may have no handle, when the master has closed it. */
  want(listener: number): void {
    if (this.#wanted.has(listener)) return;
    this.#wanted.add(listener);
    void send({ type: 'want', listener });
  }

  /** It comes without being asked for. */
  expect(listener: number): void {
    this.#wanted.add(listener);
  }

  arrived(listener: number): void {
    this.#wanted.delete(listener);
    this.#pay(listener);
    this.#lookForMore();
  }

  /** Resolves when everything that was wanted has arrived. */
  noneWanted(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenNoneWanted = resolve;
      this.#lookForMore();
    });
  }

  /** The order to prime it is on its way. */
  expectPrime(listener: number): void {
    this.#unprimed.set(listener, undefined);
  }

  /** A server that is not to say that it listens before its socket does. */
  holdUntilPrimed(listener: number, server: Server): void {
    if (this.#unprimed.has(listener)) this.#unprimed.set(listener, holdListening(server));
  }

  primed(listener: number): void {
    const release = this.#unprimed.get(listener);
    this.#unprimed.delete(listener);
    this.#pay(listener);
    release?.();
  }

  /** The application has closed its server. */
  giveBack(listener: number): void {
    if (this.#wanted.has(listener) || this.#unprimed.has(listener)) this.#owed.push(listener);
    else void send({ type: 'closed', listener });
  }

  #pay(listener: number): void {
    if (this.#wanted.has(listener) || this.#unprimed.has(listener)) return;
    for (const _ of this.#owed.filter((each) => each === listener)) void send({ type: 'closed', listener });
    this.#owed = this.#owed.filter((each) => each !== listener);
  }

  #lookForMore(): void {
    if (this.#wanted.size > 0) return;
    this.#whenNoneWanted?.();
    this.#whenNoneWanted = undefined;
  }
}
