/**
 * listen() in a worker. Node's own round-robin gives a worker's server a plain object as its handle; so do we, but what
 * stands behind it is the master's socket itself, attached while the worker accepts and closed while it does not.
 * The server object is never touched: `listening`, `address()`, `close()` and the helpers built on them behave as in bare Node.
 *
 * Undocumented and therefore here alone: cluster._getServer and what it hands over (and the handle in faux-handle.ts).
 */
import cluster from 'node:cluster';
import type { Server } from 'node:net';
import { constants } from 'node:os';
import type { Answer, Boot, ListenerInfo } from '../shared/protocol.ts';
import { formatSockName } from '../shared/sockname.ts';
import { type Handle, notice, send } from './channel.ts';
import { type FauxHandle, Listening } from './faux-handle.ts';
import { type Asked, errnoText, failLater } from './listen-errors.ts';
import { applyKeepAlive, isHttp, shareExclusive } from './listen-server.ts';
import { ask } from './question.ts';

/** Node's serverQuery. addressType is a number for TCP (4, 6) and paths (-1), a string for UDP. */
interface Query extends Asked {
  flags?: number;
}

type GetServer = (server: Server, query: Query, done: (errno: number, handle: FauxHandle) => void) => void;

const { EADDRINUSE, EINVAL } = constants.errno;

/** Overrides cluster's way of listening for this process. One of it per worker. */
export class Listeners {
  readonly #open = new Set<Listening>();
  /** What an instrumentation asks for before the master has said anything. */
  readonly #early: (() => void)[] = [];
  /** How often this worker has asked for port 0 of an address: all workers that ask in the same order share the sockets. */
  readonly #portZeros = new Map<string, number>();
  #boot: Boot | undefined;
  #main: Listening | undefined;
  /** The server that was made of an export. */
  #adopted: Listening | undefined;
  #entryStarted = false;
  #adopting = false;
  #accepting = false;
  #parked = false;
  #pending = new Set<number>();
  #onAttached: (() => void) | undefined;
  /** Called whenever a server begins to listen. */
  onListening: ((server: Server) => void) | undefined;
  /** Called whenever a server closes, or is (un)referenced. */
  onChange: (() => void) | undefined;

  install(): void {
    const own = cluster as unknown as { _getServer: GetServer };
    const original = own._getServer;
    own._getServer = (server, query, done) => {
      // dgram asks here, too.
      if (typeof query.addressType === 'string') original.call(cluster, server, query, done);
      else if (this.#boot) this.#listen(server, query, done);
      else this.#early.push(() => this.#listen(server, query, done));
    };
    shareExclusive();
  }

  configure(boot: Boot): void {
    this.#boot = boot;
    for (const listen of this.#early.splice(0)) listen();
  }

  /** From now on a server that listens is the application's, not an instrumentation's. */
  entryStarts(): void {
    this.#entryStarted = true;
  }

  /** Whatever HTTP server listens while `start` runs is the application's main one. */
  async adopt<T>(start: () => Promise<T> | T): Promise<void> {
    this.#adopting = true;
    try {
      await start();
    } finally {
      this.#adopting = false;
    }
  }

  get open(): readonly Listening[] {
    return [...this.#open];
  }

  /** Those of the application. */
  get own(): readonly Listening[] {
    return this.open.filter(({ preloaded }) => !preloaded);
  }

  get httpListens(): boolean {
    return this.own.some(({ server }) => isHttp(server));
  }

  get holdsLoopOpen(): boolean {
    return this.open.some((listening) => listening.holdsLoopOpen);
  }

  /**
   * Ends the search for the main server: where none had the port that was looked for, the explicit sockets lead to the
   * first HTTP server. Its own address, bound on demand, is given back.
   */
  settleMain(): void {
    const { explicit } = this.#boot!;
    if (this.#main || explicit.length === 0) return;
    const first = this.own.find(({ server }) => isHttp(server)) ?? this.own[0];
    if (!first) return;
    for (const { id } of first.listeners) void send({ type: 'closed', listener: id });
    first.listeners = explicit;
    first.announce();
    this.#main = first;
    this.#say(first);
  }

  /** Leaves standby: resolves when every socket that was asked for is attached. */
  accept(): Promise<void> {
    this.#accepting = true;
    return new Promise((resolve) => {
      this.#onAttached = resolve;
      for (const listening of this.#open) this.#want(listening);
      this.#attachedAll();
    });
  }

  receive(listener: number, real: Handle | undefined): void {
    this.#pending.delete(listener);
    const listening = this.open.find(({ listeners }) => listeners.some(({ id }) => id === listener));
    if (!this.#accepting || !listening) real?.close();
    else if (real) {
      const errno = listening.attach(listener, real, this.#boot!.backlog);
      if (errno !== 0) notice('warn', `listener ${listener} cannot be listened on: ${errnoText(errno)}`);
    }
    this.#attachedAll();
  }

  /** Stops accepting for good. */
  park(): void {
    this.#accepting = false;
    this.#parked = true;
    for (const listening of this.#open) listening.detach();
  }

  #attachedAll(): void {
    if (this.#pending.size > 0) return;
    this.#onAttached?.();
    this.#onAttached = undefined;
  }

  #want(listening: Listening): void {
    for (const listener of listening.want()) this.#pending.add(listener);
  }

  #listen(server: Server, query: Query, done: (errno: number, handle: FauxHandle) => void): void {
    const port = query.port ?? 0;
    this.#yieldMain(server, port);
    const { explicit } = this.#boot!;
    let main = this.#isMain(server, port);
    let answer = main && explicit.length > 0 ? explicit : this.#find(server, query, port);
    if (typeof answer === 'number' && explicit.length > 0 && this.#mayBecomeMain(server)) {
      // Its own port is taken, but it will not need it if no other listener turns out to be the main one.
      main = true;
      answer = explicit;
    }
    if (typeof answer === 'number') return failLater(server, answer, query);
    const listening = new Listening(server, port, answer, {
      closed: (closed) => this.#closed(closed),
      changed: () => this.onChange?.(),
    });
    listening.preloaded = !this.#entryStarted;
    this.#open.add(listening);
    if (main) this.#main = listening;
    if (main && this.#adopting) this.#adopted = listening;
    applyKeepAlive(server, this.#boot!.keepAlive);
    done(0, listening.faux);
    listening.announce();
    if (main && this.#boot!.explicit.length > 0) this.#say(listening);
    if (this.#accepting) this.#want(listening);
    this.onListening?.(server);
  }

  /**
   * A program that exports its application and calls listen() later, when its database is there, means its own listen():
   * the server that was made of the export gives up the sockets, and keeps the connections it has.
   */
  #yieldMain(server: Server, port: number): void {
    const main = this.#main;
    if (!main || main !== this.#adopted || this.#adopting || !isHttp(server)) return;
    const handlers = main.server.listeners('request');
    const same = server.listeners('request').some((handler) => handlers.includes(handler));
    const bound = main.listeners.some(({ sockname }) => 'port' in sockname && sockname.port === port);
    if (!same && !bound && port !== this.#boot!.appPort) return;
    notice('info', 'the application has listened by itself after all; its export is ignored');
    this.#main = undefined;
    const given = main.yield();
    if (given !== this.#boot!.explicit) for (const { id } of given) void send({ type: 'closed', listener: id });
  }

  #mayBecomeMain(server: Server): boolean {
    return !this.#main && this.#entryStarted && isHttp(server);
  }

  #isMain(server: Server, port: number): boolean {
    if (this.#main || !this.#boot) return false;
    if (this.#adopting) return isHttp(server);
    if (!this.#entryStarted) return false;
    const { appPort } = this.#boot;
    return appPort === undefined ? isHttp(server) : port === appPort;
  }

  /** The socket for what was asked, or a negative error number. */
  #find(server: Server, query: Query, port: number): ListenerInfo[] | number {
    // Frameworks that listen on every address of localhost ask for the main server's port again: that would be a door
    // beside the one that was bound explicitly (Fastify, whose main server sits on a unix socket, asks for port 0).
    const bound = this.#main && this.#main.listeners === this.#boot!.explicit;
    if (bound && isHttp(server) && this.#isEcho(port, query)) return -EADDRINUSE;
    const { fd } = query;
    if (fd != null && fd >= 0) {
      // A worker's own descriptors are something else: 3 is its channel.
      const inherited = this.#boot!.explicit.find((listener) => listener.fd === fd);
      return inherited ? [inherited] : -EINVAL;
    }
    const answer: Answer = ask({
      address: query.address,
      port,
      addressType: query.addressType as 4 | 6 | -1,
      flags: query.flags ?? 0,
      index: port === 0 && query.addressType !== -1 ? this.#portZeroIndex(query) : 0,
    });
    if ('errno' in answer) return answer.errno;
    const { id: found } = answer.listener;
    if (!this.open.some(({ listeners }) => listeners.some(({ id }) => id === found))) return [answer.listener];
    void send({ type: 'closed', listener: found });
    return -EADDRINUSE;
  }

  #isEcho(port: number, query: Query): boolean {
    if (query.addressType === -1) return false;
    if (port === 0) return true;
    if (port === this.#main!.requestedPort) return false;
    return this.#main!.listeners.some(({ sockname }) => 'port' in sockname && sockname.port === port);
  }

  #portZeroIndex(query: Query): number {
    const key = `${query.addressType}|${query.address ?? ''}`;
    const index = this.#portZeros.get(key) ?? 0;
    this.#portZeros.set(key, index + 1);
    return index;
  }

  #closed(listening: Listening): void {
    this.#open.delete(listening);
    for (const { id } of listening.listeners) {
      this.#pending.delete(id);
      // What it closes at its end, its replacement will want.
      if (!this.#parked) void send({ type: 'closed', listener: id });
    }
    this.#attachedAll();
  }

  #say({ requestedPort, listeners, server }: Listening): void {
    const asked = requestedPort > 0 && !this.#adopting ? `the server that asked for port ${requestedPort}` : undefined;
    if (asked && isHttp(server))
      notice('info', `${asked} is served on ${listeners.map(({ sockname }) => formatSockName(sockname)).join(', ')}`);
  }
}
