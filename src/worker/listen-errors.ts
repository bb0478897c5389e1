import type { Server } from 'node:net';
import { getSystemErrorMap } from 'node:util';

/** What was asked for, as Node's own cluster query has it. */
export interface Asked {
  address: string | null;
  port: number | null;
  addressType: number | string;
}

/** The error that bare Node emits, with syscall 'listen': programs look at it to explain EADDRINUSE themselves. */
export function failLater(server: Server, errno: number, { address, port, addressType }: Asked): void {
  const [code, text] = getSystemErrorMap().get(errno) ?? [`E${-errno}`, 'unknown error'];
  const where = addressType === -1 ? (address ?? '') : `${address ?? '::'}:${port ?? 0}`;
  const error = Object.assign(new Error(`listen ${code}: ${text} ${where}`), {
    code,
    errno,
    syscall: 'listen',
    address: address ?? '::',
    ...(addressType === -1 ? {} : { port: port ?? 0 }),
  });
  process.nextTick(() => server.emit('error', error));
}

/** As `EADDRINUSE, address already in use`. */
export function errnoText(errno: number): string {
  return getSystemErrorMap().get(errno)?.join(', ') ?? String(errno);
}
