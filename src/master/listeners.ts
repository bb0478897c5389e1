/**
 * The sockets of the master. It binds them, holds them for its whole life and never accepts on them; workers are sent
 * duplicates. The first worker puts each into LISTEN (see `prime` in worker/main.ts), before it loads anything.
 */
import { isIPv4 } from 'node:net';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import type { TsgunError } from '../errors.ts';
import { type Address, formatAddress } from '../shared/address.ts';
import type { Answer, ListenerInfo, Question, SockName } from '../shared/protocol.ts';
import { formatSockName } from '../shared/sockname.ts';
import { bindError, refuseDoubles } from './bind-errors.ts';
import type { InheritedSockets } from './inherited.ts';
import { adopt, type BoundHandle, type BoundTcp, bindTcp, IPV6_ONLY, noIPv6 } from './listeners-node.ts';
import { portOwner } from './port-owner.ts';
import { type UnixOptions, UnixSocket } from './unix-socket.ts';

export interface Listener {
  id: number;
  handle: BoundHandle;
  sockname: SockName;
  /** Bound since the user said so; the others since a program asked for them. */
  explicit: boolean;
  /** bound: only that · priming: a worker was sent it to listen · listening: connections queue from now on. */
  stage: 'bound' | 'priming' | 'listening';
  /** What a program asked for; another worker that asks for the same gets the same socket. */
  key?: string;
  fd?: number;
  /** The address as the user gave it. */
  bind?: string;
  /** Another master serves it as well: it is neither cut short nor unlinked. */
  shared?: boolean;
  unix?: UnixSocket;
  /** Workers in which servers listen on it, and how many: a close may be reported after the next listen() was answered. */
  users: Map<number, number>;
}

export class Listeners {
  readonly #listeners = new Map<number, Listener>();
  /** Questions are answered one after the other, so that two workers that ask for the same get the same. */
  #questions: Promise<unknown> = Promise.resolve();
  #nextId = 1;
  /** What a reload binds, and finds bound, belongs to no generation yet. */
  #binding = false;
  readonly #unixOptions: UnixOptions;
  readonly #inherited: InheritedSockets | undefined;

  constructor(unixOptions: UnixOptions, inherited?: InheritedSockets) {
    this.#unixOptions = unixOptions;
    this.#inherited = inherited;
  }

  /** Binds what the user asked for. @throws TsgunError('bind') */
  async bind(addresses: readonly Address[]): Promise<void> {
    refuseDoubles(addresses);
    for (const address of addresses) {
      const before = this.#nextId;
      const inherited = this.#inherited?.take(address) ?? [];
      for (const { handle, sockname, ...more } of inherited) this.#add(handle, sockname, { ...more, explicit: true });
      if (inherited.length === 0) await this.#bindAnew(address, addresses);
      this.#note(before, address);
    }
  }

  /**
   * Binds for a new generation: what is bound already is used again.
   * @returns the sockets of all of the addresses
   * @throws TsgunError('bind') after closing what was bound by this call
   */
  async bindAlso(addresses: readonly Address[]): Promise<ListenerInfo[]> {
    refuseDoubles(addresses);
    const before = this.#nextId;
    this.#binding = true;
    try {
      for (const address of addresses) {
        const first = this.#nextId;
        if (this.#boundTo(address).length > 0) continue;
        await this.#bindAnew(address, addresses);
        this.#note(first, address);
      }
    } catch (error) {
      for (const listener of this.all) if (listener.id >= before && listener.explicit) this.#close(listener);
      throw error;
    } finally {
      this.#binding = false;
    }
    return addresses.flatMap((address) => this.#boundTo(address)).map(infoOf);
  }

  /** Those that were bound for this very address; one that a program asked for becomes the user's. */
  #boundTo(address: Address): Listener[] {
    const text = formatAddress(address);
    const found = this.all.filter((each) => each.bind === text);
    if (found.length > 0) return found;
    const onDemand = this.all.filter((each) => !each.explicit && formatSockName(each.sockname) === text);
    for (const listener of onDemand) Object.assign(listener, { explicit: true, bind: text });
    return onDemand;
  }

  /**
   * Lets go of what was bound for generations that are no more. What a program asked for as well stays, as its own: the
   * workers that have it keep the address taken, and their replacements could not bind it anew. While `bindAlso` is under
   * way it does nothing: it is to be called again after that.
   */
  keepExplicit(ids: ReadonlySet<number>): void {
    if (this.#binding) return;
    for (const listener of this.all) {
      if (!listener.explicit || ids.has(listener.id)) continue;
      if (listener.users.size === 0) this.#close(listener);
      else listener.explicit = false;
    }
  }

  async #bindAnew(address: Address, all: readonly Address[]): Promise<void> {
    if (address.kind === 'unix') await this.#bindUnix(address.path);
    else if (address.kind === 'fd') this.#adopt(address.fd);
    else await this.#bindHost(address, all);
  }

  /** By which address the user will call the listeners from this one on. */
  #note(from: number, address: Address): void {
    for (const listener of this.all) if (listener.id >= from) listener.bind = formatAddress(address);
  }

  get all(): readonly Listener[] {
    return [...this.#listeners.values()];
  }

  get explicit(): ListenerInfo[] {
    return this.all.filter((each) => each.explicit).map(infoOf);
  }

  get(id: number): Listener | undefined {
    return this.#listeners.get(id);
  }

  /** Those that a worker has to put into LISTEN; they are noted as being on their way. */
  takeUnprimed(): Listener[] {
    const unprimed = this.all.filter(({ stage }) => stage === 'bound');
    for (const listener of unprimed) listener.stage = 'priming';
    return unprimed;
  }

  /**
   * A worker has made the socket listen, or could not.
   * @returns whether it listens only since now
   * @throws TsgunError('bind')
   */
  async primed(id: number, errno: number): Promise<boolean> {
    const listener = this.#listeners.get(id);
    if (!listener || listener.stage === 'listening') return false;
    if (errno !== 0) throw this.#error(formatSockName(listener.sockname), errno);
    listener.stage = 'listening';
    const refusal = await listener.unix?.publish();
    if (refusal) throw bindError(formatSockName(listener.sockname), refusal.code, refusal);
    return true;
  }

  /** A worker that was to prime them is gone before it said so. */
  primingLost(): void {
    for (const listener of this.all) if (listener.stage === 'priming') listener.stage = 'bound';
  }

  /** Binds what a program in a worker asks for, or finds what is bound already. */
  answer(question: Question, worker: number, cwd: string): Promise<Answer> {
    const answer = this.#questions.then(() => this.#answer(question, worker, cwd));
    this.#questions = answer.catch(() => {});
    return answer;
  }

  /**
   * A worker's program closed its server, but not the main one that served: the program may then be on its way out, and
   * its replacement will want it. The last one takes a socket with it that was bound on demand: programs that look for a
   * free port bind it to see.
   */
  closedBy(id: number, worker: number): void {
    const listener = this.#listeners.get(id);
    if (!listener) return;
    const left = (listener.users.get(worker) ?? 0) - 1;
    if (left > 0) listener.users.set(worker, left);
    else listener.users.delete(worker);
    if (!listener.explicit && listener.users.size === 0) this.#close(listener);
  }

  /** A worker's death closes nothing: its replacement will ask again. */
  forgetWorker(worker: number): void {
    for (const listener of this.all) listener.users.delete(worker);
  }

  /** As listen({ readableAll, writableAll }) asks, with libuv's UV_READABLE (1) and UV_WRITABLE (2). */
  openToAll(id: number, mode: number): void {
    this.#listeners.get(id)?.unix?.addMode((mode & 1 ? 0o444 : 0) | (mode & 2 ? 0o222 : 0));
  }

  /**
   * When all workers are to leave. They accept what waits; that they find an end of it, the queue is cut short, except
   * that of a socket which is somebody else's.
   */
  closeAll(): void {
    for (const listener of this.all) {
      if (!listener.unix && listener.fd === undefined && !listener.shared) listener.handle.listen?.(0);
      this.#close(listener);
    }
    this.#inherited?.closeRest();
  }

  /** The old master leaves to this one what both had. */
  takeOver(): void {
    if (this.#inherited) this.#inherited.inCharge = true;
    for (const listener of this.all) listener.shared = false;
  }

  #close(listener: Listener): void {
    if (!this.#listeners.delete(listener.id)) return;
    if (listener.unix) listener.unix.close(listener.shared);
    else listener.handle.close();
  }

  #add(handle: BoundHandle, sockname: SockName, more: Partial<Listener> & { explicit: boolean }): Listener {
    const id = this.#nextId++;
    const listener: Listener = { id, handle, sockname, stage: 'bound', users: new Map(), ...more };
    this.#listeners.set(id, listener);
    return listener;
  }

  async #bindUnix(path: string): Promise<void> {
    const bound = await UnixSocket.bind(path, this.#unixOptions);
    if ('code' in bound) throw bindError(`unix:${path}`, bound.code, bound);
    this.#add(bound.handle, { path }, { explicit: true, unix: bound });
  }

  #adopt(fd: number): void {
    const adopted = adopt(fd);
    if (typeof adopted === 'number') throw this.#error(`fd://${fd}`, adopted);
    this.#add(adopted.handle, adopted.sockname, { explicit: true, fd });
  }

  async #bindHost(address: Extract<Address, { kind: 'tcp' }>, all: readonly Address[]): Promise<void> {
    const { host } = address;
    if (host === null || host.includes(':') || isIPv4(host)) {
      const v4Sibling = all.some(
        (each) => each.kind === 'tcp' && each.host === '0.0.0.0' && each.port === address.port,
      );
      const flags = host === '::' && v4Sibling ? IPV6_ONLY : 0;
      this.#addTcp(bindTcp(host, address.port, host === null || host.includes(':') ? 6 : 4, flags), address);
      return;
    }
    const { lookup } = await import('node:dns/promises');
    const found = await lookup(host, { all: true }).catch((error: NodeJS.ErrnoException) => {
      throw bindError(formatAddress(address), error.code ?? 'ENOTFOUND');
    });
    const v4 = found.find(({ family }) => family === 4);
    const v6 = found.find(({ family }) => family === 6);
    const first = this.#addTcp(bindTcp((v4 ?? v6)!.address, address.port, v4 ? 4 : 6), address);
    if (host !== 'localhost' || !v4) return;
    // localhost means both families to its clients; a machine without IPv6 has one.
    const second = bindTcp('::1', 'port' in first.sockname ? first.sockname.port : address.port, 6);
    if (typeof second === 'number' && !noIPv6(second)) throw this.#error(`[::1]:${address.port}`, second);
    if (typeof second !== 'number') this.#add(second.handle, second.sockname, { explicit: true });
  }

  #addTcp(bound: BoundTcp | number, address: Address): Listener {
    if (typeof bound === 'number') throw this.#error(formatAddress(address), bound);
    return this.#add(bound.handle, bound.sockname, { explicit: true });
  }

  async #answer(question: Question, worker: number, cwd: string): Promise<Answer> {
    const { address, port, addressType, index, flags } = question;
    // Abstract sockets have no file that could be renamed into place.
    if (addressType === -1 && address?.startsWith('\0')) return { errno: -constants.errno.EINVAL };
    const path = addressType === -1 && address !== null ? resolve(cwd, address) : undefined;
    const key = path === undefined ? `${addressType}|${address ?? '*'}|${port}|${index}` : `unix|${path}`;
    const isIt = (each: Pick<Listener, 'sockname' | 'key'>) => each.key === key || isBoundTo(each, question, path);
    let listener = this.all.find(isIt);
    const inherited = listener ? undefined : this.#inherited?.find(isIt);
    if (inherited) listener = this.#add(inherited.handle, inherited.sockname, { ...inherited, explicit: false, key });
    if (!listener && path !== undefined) {
      const bound = await UnixSocket.bind(path, this.#unixOptions);
      // The program may look at the path as soon as listen() returns.
      const refusal = 'code' in bound ? bound : await bound.publish();
      if ('code' in bound || refusal) return { errno: -(errnos[refusal!.code] ?? constants.errno.EINVAL) };
      listener = this.#add(bound.handle, { path }, { explicit: false, unix: bound, key });
    }
    if (!listener) {
      const bound = bindTcp(address, port, addressType === 4 ? 4 : 6, flags);
      if (typeof bound === 'number') return { errno: bound };
      listener = this.#add(bound.handle, bound.sockname, { explicit: false, key });
    }
    listener.users.set(worker, (listener.users.get(worker) ?? 0) + 1);
    return { listener: { id: listener.id, sockname: listener.sockname } };
  }

  #error(address: string, errno: number): TsgunError {
    const code = getSystemErrorMap().get(errno)?.[0] ?? `errno ${-errno}`;
    const port = Number(/:(\d+)$/.exec(address)?.[1]);
    const owner = code === 'EADDRINUSE' && port > 0 ? portOwner(port) : undefined;
    return bindError(address, code, owner === undefined ? {} : { owner });
  }
}

/** What a worker knows of it. */
function infoOf({ id, sockname, fd }: Listener): ListenerInfo {
  return { id, sockname, ...(fd === undefined ? {} : { fd }) };
}

const errnos: Record<string, number> = constants.errno;

/** A program that asks for the very address that a socket has, such as the free port it found before, means that socket. */
function isBoundTo(
  { sockname }: Pick<Listener, 'sockname'>,
  { address, port }: Question,
  path: string | undefined,
): boolean {
  if ('path' in sockname) return sockname.path === path;
  if (path !== undefined || port === 0 || sockname.port !== port) return false;
  return sockname.address === (address ?? '::');
}
