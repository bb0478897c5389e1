import type { Server } from 'node:net';
import type { ListenerInfo, SockName } from '../shared/protocol.ts';
import { type Handle, send } from './channel.ts';

/** What net.Server asks of its handle. Node puts `onconnection` and the owner on it. */
export interface FauxHandle {
  onconnection?: (status: number, client: unknown) => void;
  listen(backlog: number): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
  getAsyncId(): number;
  fchmod(mode: number): number;
  getsockname?: (out: object) => number;
}

/** What becomes of it. */
export interface ListeningEvents {
  closed(listening: Listening): void;
  /** It was closed, referenced or unreferenced. */
  changed(): void;
}

/** A server of the application that listens, and the master's sockets that lead to it. */
export class Listening {
  readonly server: Server;
  readonly requestedPort: number;
  /** It is an instrumentation's, which was there before the application. */
  preloaded = false;
  /** The sockets that lead here; several explicit binds all lead to the main server. */
  listeners: ListenerInfo[];
  readonly faux: FauxHandle;
  readonly #attached = new Map<number, Handle>();
  readonly #events: ListeningEvents;
  #referenced = true;
  #closed = false;

  constructor(server: Server, requestedPort: number, listeners: ListenerInfo[], events: ListeningEvents) {
    this.server = server;
    this.requestedPort = requestedPort;
    this.listeners = listeners;
    this.#events = events;
    this.faux = {
      listen: () => 0,
      close: (callback) => this.#close(callback),
      ref: () => this.#reference(true),
      unref: () => this.#reference(false),
      hasRef: () => this.#referenced,
      getAsyncId: () => 0,
      fchmod: (mode) => {
        for (const { id } of this.listeners) void send({ type: 'chmod', listener: id, mode });
        return 0;
      },
    };
  }

  get holdsLoopOpen(): boolean {
    return this.#referenced && !this.#closed;
  }

  /** Gives address() its answer. Not before listen() has compared the port it asked for with the one it got. */
  announce(): void {
    const { sockname } = this.listeners[0]!;
    if ('path' in sockname) {
      delete this.faux.getsockname;
      (this.server as Server & { _pipeName?: string })._pipeName = sockname.path;
    } else {
      this.faux.getsockname = (out) => {
        Object.assign(out, sockname satisfies SockName);
        return 0;
      };
    }
  }

  /** The sockets that are not attached. */
  missing(): number[] {
    return this.listeners.filter(({ id }) => !this.#attached.has(id)).map(({ id }) => id);
  }

  /**
   * Accepts on a socket of the master.
   * @returns 0, or libuv's negative error number
   */
  attach(listener: number, real: Handle, backlog: number): number {
    if (this.#closed || this.#attached.has(listener)) {
      real.close();
      return 0;
    }
    real.onconnection = (status, client) => this.faux.onconnection?.(status, client);
    const errno = real.listen(backlog);
    if (errno !== 0) {
      real.close();
      return errno;
    }
    if (!this.#referenced) real.unref();
    this.#attached.set(listener, real);
    return 0;
  }

  /** Stops accepting; connections in the queue stay in the kernel, for the others. */
  detach(): void {
    for (const real of this.#attached.values()) real.close();
    this.#attached.clear();
  }

  /** Gives up its sockets for good, and says which they were. */
  yield(): ListenerInfo[] {
    this.detach();
    const given = this.listeners;
    this.listeners = [];
    return given;
  }

  #close(callback?: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    this.detach();
    this.#events.closed(this);
    this.#events.changed();
    if (callback) process.nextTick(callback);
  }

  #reference(on: boolean): void {
    this.#referenced = on;
    this.#events.changed();
    for (const real of this.#attached.values()) on ? real.ref() : real.unref();
  }
}
