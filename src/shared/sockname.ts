import type { SockName } from './protocol.ts';

/** As it is written after --bind: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/app.sock`. */
export function formatSockName(sockname: SockName): string {
  if ('path' in sockname) return `unix:${sockname.path}`;
  const { family, address, port } = sockname;
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
