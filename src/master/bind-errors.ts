import { TsgunError } from '../errors.ts';

/** Why a bind fails, most likely, by error code. */
const likely: Record<string, (address: string) => string | undefined> = {
  EADDRINUSE: () => 'stop what listens there, or choose another address with --bind',
  EACCES: (address) =>
    address.startsWith('unix:')
      ? 'tsgun may not write to that directory'
      : 'ports below 1024 need root, CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=), or socket activation',
  EADDRNOTAVAIL: () => 'no interface of this machine has that address',
  ENOENT: () => 'the directory does not exist (systemd: RuntimeDirectory= makes one below /run)',
  EROFS: () => 'the file system is read-only',
  EBADF: () => 'that descriptor is not open, or no socket',
  ENOTFOUND: () => 'the name has no address',
};

const texts: Record<string, string> = {
  EADDRINUSE: 'the address is in use',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'the address is not available',
  ENOENT: 'no such directory',
  EROFS: 'read-only file system',
  EBADF: 'bad file descriptor',
  ENOTFOUND: 'no such host',
};

/**
 * One line that names the address and the likely cause.
 * @param owner  who holds the address, where that is known: `pid 4242, node server.js`
 */
export function bindError(
  address: string,
  code: string,
  details: { detail?: string; owner?: string } = {},
): TsgunError {
  const text = details.detail ?? texts[code] ?? code;
  const owner = details.owner === undefined ? '' : ` (${details.owner})`;
  return new TsgunError('bind', `cannot bind ${address}: ${text}${owner}`, likely[code]?.(address));
}
