import { isIPv4, isIPv6 } from 'node:net';
import { resolve } from 'node:path';

/** Where to listen. `host: null` is every address of both families (`*:8000`); `localhost` stays a name. */
export type Address =
  | { kind: 'tcp'; host: string | null; port: number; text: string }
  | { kind: 'unix'; path: string }
  | { kind: 'fd'; fd: number };

export type TcpAddress = Extract<Address, { kind: 'tcp' }>;

/** The port of an address that names none, as Gunicorn has it. */
export const DEFAULT_PORT = 8000;

/** Bytes of a unix socket's path that the kernel takes (sun_path without its final NUL). */
const MAX_UNIX_PATH = process.platform === 'darwin' ? 103 : 107;

export const ADDRESS_FORMS = 'HOST:PORT, PORT, HOST, [IPV6]:PORT, unix:PATH or fd://NUMBER';

/**
 * Reads `HOST:PORT`, `PORT`, `HOST`, `:PORT`, `[v6]:PORT`, each also after `tcp://`, `unix:PATH`, `unix://PATH` and `fd://N`.
 * An empty host is 0.0.0.0, as in Gunicorn; `*` is every address of both families.
 * @returns the address, or a sentence that says what is wrong with the text
 */
export function parseAddress(text: string): Address | string {
  const [, scheme = '', rest = ''] = /^(?:(unix|fd|tcp):)?(.*)$/is.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case 'unix':
      return unix(rest.replace(/^\/\//, ''));
    case 'fd':
      return /^\/\/\d{1,9}$/.test(rest) ? { kind: 'fd', fd: Number(rest.slice(2)) } : expected(text);
    case 'tcp':
      return rest.startsWith('//') && rest.length > 2 ? tcp(rest.slice(2), text) : expected(text);
    default:
      return tcp(text, text);
  }
}

/** Makes the path of a unix socket absolute. @returns the address, or what is wrong with the path */
export function resolveAddress(address: Address, cwd: string): Address | string {
  return address.kind === 'unix' ? unix(resolve(cwd, address.path)) : address;
}

/** The address as a person writes it: `127.0.0.1:8000`, `unix:/run/shop.sock`, `fd://3`. */
export function formatAddress(address: Address): string {
  switch (address.kind) {
    case 'unix':
      return `unix:${address.path}`;
    case 'fd':
      return `fd://${address.fd}`;
    case 'tcp':
      return hostAndPort(address.host ?? '*', address.port);
  }
}

/** What a terminal makes clickable: a wildcard is shown as the loopback address of its family. */
export function addressUrl(address: Address): string {
  if (address.kind !== 'tcp') return formatAddress(address);
  const host = address.host === null || address.host === '0.0.0.0' ? '127.0.0.1' : address.host;
  return `http://${hostAndPort(isUnspecified(host) ? '::1' : host, address.port).replace('%', '%25')}`;
}

function unix(path: string): Address | string {
  const bytes = Buffer.byteLength(path);
  if (path === '') return 'unix: needs a path, such as unix:/run/shop.sock';
  if (path.startsWith('@') || path.includes('\0'))
    return 'abstract unix sockets are not supported; give a path in the file system';
  if (bytes > MAX_UNIX_PATH)
    return `the path of the unix socket has ${bytes} bytes, the system allows ${MAX_UNIX_PATH}: ${path}`;
  return { kind: 'unix', path };
}

function tcp(rest: string, text: string): Address | string {
  if (/^\d+$/.test(rest)) return at('0.0.0.0', rest, text);
  if (rest.includes('/')) return expected(text);
  if (mayBeIPv6(rest) && isIPv6(rest))
    return `an IPv6 address stands in brackets, as in [::1]:${DEFAULT_PORT}; got "${text}"`;
  const [, v6, name = '', port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(rest) ?? [];
  if (v6 !== undefined) return isIPv6(v6) ? at(v6, port, text) : `"${v6}" is not an IPv6 address in "${text}"`;
  if (name === '*') return at(null, port, text);
  if (name === '') return port === undefined ? expected(text) : at('0.0.0.0', port, text);
  // What looks like an IPv4 address has to be one: 10.0.0.256 would otherwise be looked up as a name.
  const valid = /^[\d.]+$/.test(name) ? isIPv4(name) : /^[a-z\d]([a-z\d._-]*[a-z\d])?\.?$/i.test(name);
  return valid ? at(name, port, text) : expected(text);
}

function at(host: string | null, port: string | undefined, text: string): Address | string {
  const number = port === undefined ? DEFAULT_PORT : Number(port);
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && number <= 65535)) {
    return `expected a port from 0 to 65535, got "${port}" in "${text}"`;
  }
  return { kind: 'tcp', host, port: number, text: hostAndPort(host ?? '*', number) };
}

const hostAndPort = (host: string, port: number) => (mayBeIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);

/** Two colons decide: Node's isIPv6 compiles a regular expression that costs 4 ms of every start. */
const mayBeIPv6 = (host: string) => host.indexOf(':') !== host.lastIndexOf(':');

const isUnspecified = (host: string) => mayBeIPv6(host) && /^[0:]+$/.test(host);

const expected = (text: string) => `expected ${ADDRESS_FORMS}, got "${text}"`;
