/** The sockets that a new master has from the old one. */
import { closeSync, unlinkSync } from 'node:fs';
import { type Address, formatAddress } from '../shared/address.ts';
import type { SockName } from '../shared/protocol.ts';
import { formatSockName } from '../shared/sockname.ts';
import { bindError } from './bind-errors.ts';
import type { HandedSocket } from './handover.ts';
import type { Listener } from './listeners.ts';
import { adopt, type BoundHandle } from './listeners-node.ts';
import { isAt, UnixSocket } from './unix-socket.ts';

/** What a listener is made of. */
export type Inherited = Pick<Listener, 'handle' | 'sockname' | 'stage'> & Partial<Listener>;

/** Each is taken once: for an address that the user gives, or for a program that asks. */
export class InheritedSockets {
  /** The old master is gone or going: files of unix sockets are ours. */
  inCharge = false;
  readonly #left: HandedSocket[];

  constructor(sockets: readonly HandedSocket[]) {
    this.#left = [...sockets];
  }

  /**
   * Those of an address that the user gives; none: it has to be bound.
   * @throws TsgunError('bind') for a descriptor: its number is that of another thing in this process
   */
  take(address: Address): Inherited[] {
    const bind = formatAddress(address);
    const first = this.#left.find((each) => each.bind === bind) ?? this.#left.find((each) => isOf(each, address));
    if (!first) {
      if (address.kind !== 'fd') return [];
      throw bindError(bind, 'EBADF', { detail: 'the master that was upgraded was not started with this descriptor' });
    }
    // localhost is an address of each family, which were bound together.
    const second = bind.startsWith('localhost:') && this.#left.find((each) => each.bind === bind && each !== first);
    return [first, ...(second ? [second] : [])].flatMap((each) => this.#adopt(each) ?? []);
  }

  /** What a program in a worker asks for. */
  find(matches: (socket: { sockname: SockName; key?: string }) => boolean): Inherited | undefined {
    const found = this.#left.find(matches);
    return found && this.#adopt(found);
  }

  /** Nobody wants the rest. */
  closeRest(): void {
    for (const { fd, file, sockname } of this.#left.splice(0)) {
      closeSync(fd);
      if (this.inCharge && file && 'path' in sockname && isAt(sockname.path, file)) unlinkSync(sockname.path);
    }
  }

  /** A unix socket whose file is gone or somebody else's is of no use to anybody. */
  #adopt(socket: HandedSocket): Inherited | undefined {
    const { fd, sockname, key, givenFd, file } = socket;
    this.#left.splice(this.#left.indexOf(socket), 1);
    const lost = file && 'path' in sockname && !isAt(sockname.path, file);
    const adopted = lost ? undefined : adopt(fd);
    if (adopted === undefined || typeof adopted === 'number') {
      closeSync(fd);
      return undefined;
    }
    return {
      handle: adopted.handle,
      sockname,
      stage: socket.listening ? 'listening' : 'bound',
      ...(this.inCharge ? {} : { shared: true }),
      ...(key === undefined ? {} : { key }),
      ...(givenFd === undefined ? {} : { fd: givenFd }),
      ...(file && 'path' in sockname ? { unix: UnixSocket.adopt(sockname.path, adopted.handle, file) } : {}),
    };
  }
}

/** An address that was bound under another name, or on demand. */
function isOf({ sockname, givenFd }: HandedSocket, address: Address): boolean {
  if (address.kind === 'fd') return givenFd === address.fd;
  return givenFd === undefined && formatSockName(sockname) === formatAddress(address);
}

/** The listeners that a new master is given: their descriptors here, and what it has to know of each. */
export function handOver(
  listeners: readonly Listener[],
  firstFd: number,
): { listeners: Listener[]; fds: number[]; sockets: HandedSocket[] } {
  const able = listeners.filter((each) => fdOf(each.handle) >= 0 && (!each.unix || each.unix.file));
  const sockets = able.map(
    ({ sockname, explicit, stage, bind, key, fd, unix }, index): HandedSocket => ({
      fd: firstFd + index,
      sockname,
      explicit,
      listening: stage === 'listening',
      ...(bind === undefined ? {} : { bind }),
      ...(key === undefined ? {} : { key }),
      ...(fd === undefined ? {} : { givenFd: fd }),
      ...(unix?.file ? { file: { dev: unix.file.dev, ino: unix.file.ino } } : {}),
    }),
  );
  return { listeners: able, fds: able.map((each) => fdOf(each.handle)), sockets };
}

const fdOf = (handle: BoundHandle): number => handle.fd ?? -1;
