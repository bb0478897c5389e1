import { TsgunError } from '../errors.ts';
import { type Address, formatAddress } from '../shared/address.ts';

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

/** Two of the addresses that the user gave are, or include, the same. @throws TsgunError('bind') */
export function refuseDoubles(addresses: readonly Address[]): void {
  for (const [index, address] of addresses.entries()) {
    const double = addresses.slice(0, index).find((earlier) => overlaps(earlier, address));
    if (!double) continue;
    const [one, other] = [formatAddress(double), formatAddress(address)];
    const message =
      one === other ? `cannot bind ${one} twice` : `cannot bind ${other} beside ${one}, which includes it`;
    throw new TsgunError('bind', message, 'leave one of them out');
  }
}

function overlaps(a: Address, b: Address): boolean {
  if (a.kind === 'unix' && b.kind === 'unix') return a.path === b.path;
  if (a.kind === 'fd' && b.kind === 'fd') return a.fd === b.fd;
  if (a.kind !== 'tcp' || b.kind !== 'tcp' || a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || a.host === null || b.host === null;
}
