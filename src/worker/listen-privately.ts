/**
 * A door into a server that nobody else knows of, for the worker to ask itself while the master's sockets are still shut.
 *
 * Undocumented and therefore here alone: net._createServerHandle and its handle.
 */
import net from 'node:net';
import type { Handle } from './channel.ts';
import type { Listening } from './faux-handle.ts';

interface PrivateHandle extends Handle {
  getsockname(out: { port?: number }): number;
}

type CreateServerHandle = (address: string, port: number, addressType: 4) => PrivateHandle | number;

/** On the loopback interface, at a port that the system picks. */
export interface PrivateDoor {
  port: number;
  close(): void;
}

/** @returns the door, or libuv's negative error number */
export function openPrivately({ faux }: Listening): PrivateDoor | number {
  const { _createServerHandle: create } = net as unknown as { _createServerHandle: CreateServerHandle };
  const handle = create('127.0.0.1', 0, 4);
  if (typeof handle === 'number') return handle;
  handle.onconnection = (status, client) => faux.onconnection?.(status, client);
  const out: { port?: number } = {};
  const errno = handle.listen(1) || handle.getsockname(out);
  if (errno === 0) return { port: out.port!, close: () => handle.close() };
  handle.close();
  return errno;
}
