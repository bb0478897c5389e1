import { Server } from 'node:net';
import type { Boot } from '../shared/protocol.ts';

/** http.Server's own default. */
const NODE_KEEP_ALIVE_MS = 5000;

/** http, https and http2 servers have timeouts, a plain net.Server has none. */
export function isHttp(server: Server): boolean {
  return typeof (server as { setTimeout?: unknown }).setTimeout === 'function';
}

/** http2 servers, which may speak HTTP/1 besides when they are secure. */
export function isHttp2(server: Server): boolean {
  return typeof (server as { updateSettings?: unknown }).updateSettings === 'function';
}

/** `exclusive` and `reusePort` go past cluster: the second worker would find its port in use, or lose its queue when it leaves. */
export function shareExclusive(): void {
  const listen = Server.prototype.listen as (...args: unknown[]) => Server;
  Server.prototype.listen = function (this: Server, ...args: unknown[]): Server {
    const [options] = args;
    if (typeof options === 'object' && options !== null && ('exclusive' in options || 'reusePort' in options)) {
      args[0] = { ...options, exclusive: false, reusePort: false };
    }
    return listen.apply(this, args);
  } as typeof Server.prototype.listen;
}

/**
 * Keeps the 'listening' event of a server back: who hears of it may connect at once, in the same tick.
 * @returns what lets it happen
 */
export function holdListening(server: Server): () => void {
  const host = server as { emit: (event: string, ...args: unknown[]) => boolean };
  const before = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit = host.emit;
  let held = true;
  let due = false;
  const hold = function (this: Server, event: string, ...args: unknown[]): boolean {
    if (event !== 'listening' || !held) return emit.call(this, event, ...args);
    due = true;
    return true;
  };
  host.emit = hold;
  return () => {
    held = false;
    if (host.emit === hold)
      before ? Object.defineProperty(server, 'emit', before) : Reflect.deleteProperty(server, 'emit');
    if (due && server.listening) server.emit('listening');
  };
}

/** The flag wins over what the application set; the application wins over tsgun's default. */
export function applyKeepAlive(server: Server, { seconds, forced }: Boot['keepAlive']): void {
  const http = server as Server & { keepAliveTimeout?: number; maxRequestsPerSocket?: number };
  if (typeof http.keepAliveTimeout !== 'number') return;
  // For Node a timeout of 0 is none at all.
  if (seconds === 0 && forced) http.maxRequestsPerSocket = 1;
  else if (forced || http.keepAliveTimeout === NODE_KEEP_ALIVE_MS) http.keepAliveTimeout = seconds * 1000;
}
