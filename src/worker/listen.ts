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
import { type Handle, notice } from './channel.ts';
import { type FauxHandle, Listening } from './faux-handle.ts';
import { InFlight } from './in-flight.ts';
import { type Asked, errnoText, failLater } from './listen-errors.ts';
import { applyKeepAlive, isHttp, shareExclusive } from './listen-server.ts';
import { MainServer } from './main-server.ts';
import { ask } from './question.ts';

/** Node's serverQuery. addressType is a number for TCP (4, 6) and paths (-1), a string for UDP. */
interface Query extends Asked {
  flags?: number;
}

type GetServer = (server: Server, query: Query, done: (errno: number, handle: FauxHandle) => void) => void;

const { EADDRINUSE, EINVAL } = constants.errno;

/** Overrides cluster's way of listening for this process. One of it per worker. */
export class Listeners {
  readonly inFlight = new InFlight();
  readonly main = new MainServer();
  readonly #open = new Set<Listening>();
  /** What an instrumentation asks for before the master has said anything. */
  readonly #early: (() => void)[] = [];
  /** How often this worker has asked for port 0 of an address: all workers that ask in the same order share the sockets. */
  readonly #portZeros = new Map<string, number>();
  #boot: Boot | undefined;
  #accepting = false;
  #parked = false;
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
    const first = this.own.find(({ server }) => isHttp(server)) ?? this.own[0];
    if (this.main.current || !first) return;
    this.main.take(first, explicit);
    if (explicit.length === 0) return;
    for (const { id } of first.listeners) this.inFlight.giveBack(id);
    first.listeners = explicit;
    first.announce();
  }

  /**
   * Leaves standby: resolves when every socket that is wanted is attached.
   * @param coming  the sockets that come without being asked for
   */
  accept(coming: readonly number[]): Promise<void> {
    this.#accepting = true;
    const missing = this.open.flatMap((listening) => listening.missing());
    for (const listener of coming) if (missing.includes(listener)) this.inFlight.expect(listener);
    for (const listening of this.#open) this.#want(listening);
    return this.inFlight.noneWanted();
  }

  receive(listener: number, real: Handle | undefined): void {
    const listening = this.open.find(({ listeners }) => listeners.some(({ id }) => id === listener));
    if (!this.#accepting || !listening) real?.close();
    else if (real) {
      const errno = listening.attach(listener, real, this.#boot!.backlog);
      if (errno !== 0) notice('warn', `listener ${listener} cannot be listened on: ${errnoText(errno)}`);
    }
    this.inFlight.arrived(listener);
  }

  /** Stops accepting for good. */
  park(): void {
    this.#accepting = false;
    this.#parked = true;
    for (const listening of this.#open) listening.detach();
  }

  #want(listening: Listening): void {
    for (const listener of listening.missing()) this.inFlight.want(listener);
  }

  #listen(server: Server, query: Query, done: (errno: number, handle: FauxHandle) => void): void {
    const port = query.port ?? 0;
    const boot = this.#boot!;
    const { explicit } = boot;
    const former = this.main.yieldTo(server, port, boot)?.yield() ?? explicit;
    if (former !== explicit) for (const { id } of former) this.inFlight.giveBack(id);
    let main = this.main.is(server, port, boot);
    let answer = main && explicit.length > 0 ? explicit : this.#find(server, query, port);
    if (typeof answer === 'number' && explicit.length > 0 && this.main.mayBecome(server)) {
      // Its own port is taken, but it will not need it if no other listener turns out to be the main one.
      main = true;
      answer = explicit;
    }
    if (typeof answer === 'number') return failLater(server, answer, query);
    const listening = new Listening(server, port, answer, {
      closed: (closed) => this.#closed(closed),
      changed: () => this.onChange?.(),
    });
    listening.preloaded = !this.main.entryStarted;
    this.#open.add(listening);
    if (main) this.main.take(listening, explicit);
    applyKeepAlive(server, boot.keepAlive);
    for (const { id } of answer) this.inFlight.holdUntilPrimed(id, server);
    done(0, listening.faux);
    listening.announce();
    if (this.#accepting) this.#want(listening);
    this.onListening?.(server);
  }

  /** The socket for what was asked, or a negative error number. */
  #find(server: Server, query: Query, port: number): ListenerInfo[] | number {
    const { explicit } = this.#boot!;
    if (query.addressType !== -1 && this.main.isEcho(server, port, explicit)) return -EADDRINUSE;
    const { fd } = query;
    if (fd != null && fd >= 0) {
      // A worker's own descriptors are something else: 3 is its channel.
      const inherited = explicit.find((listener) => listener.fd === fd);
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
    if (answer.primes) this.inFlight.expectPrime(answer.listener.id);
    const { id: found } = answer.listener;
    if (!this.open.some(({ listeners }) => listeners.some(({ id }) => id === found))) return [answer.listener];
    this.inFlight.giveBack(found);
    return -EADDRINUSE;
  }

  #portZeroIndex(query: Query): number {
    const key = `${query.addressType}|${query.address ?? ''}`;
    const index = this.#portZeros.get(key) ?? 0;
    this.#portZeros.set(key, index + 1);
    return index;
  }

  #closed(listening: Listening): void {
    this.#open.delete(listening);
    const main = listening === this.main.current;
    if (main) this.main.leave();
    // The program may be on its way out: its replacement will want what it serves on.
    if (this.#parked || (main && this.#accepting)) return;
    for (const { id } of listening.listeners) this.inFlight.giveBack(id);
  }
}
