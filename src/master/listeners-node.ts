/**
 * Sockets that are bound but not accepted on. Undocumented and therefore here alone: net._createServerHandle and the
 * handles it makes. `net.BoundSocket` cannot replace it: sending one moves it.
 */
import * as net from 'node:net';
import { constants } from 'node:os';
import type { SockName } from '../shared/protocol.ts';

/** A TCP or Pipe handle of Node's own. The master never listens on it, so it never accepts. */
export interface BoundHandle {
  getsockname?(out: object): number;
  fchmod?(mode: number): number;
  /** The descriptor; -1 when it is closed. */
  readonly fd?: number;
  /** Accepts from the next turn of the loop on, unless it is closed at once. */
  listen?(backlog: number): number;
  close(): void;
}

type CreateServerHandle = (
  address: string | null,
  port: number | null,
  addressType: 4 | 6 | -1 | null,
  fd?: number | null,
  flags?: number,
) => BoundHandle | number;

const create = (net as unknown as { _createServerHandle: CreateServerHandle })._createServerHandle;

/** libuv's flag for a v6 socket that leaves v4 alone. */
export const IPV6_ONLY = 1;

export interface BoundTcp {
  handle: BoundHandle;
  sockname: Extract<SockName, { port: number }>;
}

/**
 * @param address  null: every address, of both families where the machine has them
 * @returns the socket, or a negative error number
 */
export function bindTcp(address: string | null, port: number, family: 4 | 6, flags = 0): BoundTcp | number {
  if (address !== null) return named(create(address, port, family, null, flags));
  const both = named(create('::', port, 6, null, flags));
  return typeof both === 'number' && noIPv6(both) ? named(create('0.0.0.0', port, 4)) : both;
}

/** Whether an error number says that the machine has no IPv6. */
export const noIPv6 = (errno: number): boolean =>
  errno === -constants.errno.EADDRNOTAVAIL || errno === -constants.errno.EAFNOSUPPORT;

/** @returns a socket bound to the path, or a negative error number */
export function bindPath(path: string): BoundHandle | number {
  return create(path, -1, -1);
}

/** @returns the socket that has this descriptor; a path stands for a unix socket */
export function adopt(fd: number): { handle: BoundHandle; sockname: SockName } | number {
  try {
    const handle = create(null, null, null, fd);
    if (typeof handle === 'number') return handle;
    return handle.getsockname ? named(handle) : { handle, sockname: { path: `fd://${fd}` } };
  } catch {
    return -constants.errno.EBADF;
  }
}

/** libuv keeps back the error of bind(2) until the name is asked for. */
function named(handle: BoundHandle | number): BoundTcp | number {
  if (typeof handle === 'number') return handle;
  const sockname = {} as BoundTcp['sockname'];
  const errno = handle.getsockname?.(sockname) ?? 0;
  if (errno === 0) return { handle, sockname };
  handle.close();
  return errno;
}
