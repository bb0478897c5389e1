import type { Server } from 'node:net';
import { getSystemErrorMap } from 'node:util';

/** What was asked for, as Node's own cluster query has it: a path has port -1, a descriptor has nothing else. */
export interface Asked {
  address: string | null;
  port: number | null;
  addressType: number | string;
  fd?: number | null;
}

/** The error that bare Node emits, with syscall 'listen': programs look at it to explain EADDRINUSE themselves. */
export function failLater(server: Server, errno: number, { address: asked, port, fd }: Asked): void {
  const [code, text] = getSystemErrorMap().get(errno) ?? [`E${-errno}`, 'unknown error'];
  const address = fd != null && fd >= 0 ? null : (asked ?? '::');
  const where = address === null ? '' : ` ${address}${port !== null && port > 0 ? `:${port}` : ''}`;
  const error = Object.assign(new Error(`listen ${code}: ${text}${where}`), {
    code,
    errno,
    syscall: 'listen',
    address,
    ...(port ? { port } : {}),
  });
  process.nextTick(() => server.emit('error', error));
}

/** As `EADDRINUSE, address already in use`. */
export function errnoText(errno: number): string {
  return getSystemErrorMap().get(errno)?.join(', ') ?? String(errno);
}
