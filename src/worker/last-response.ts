/** Telling a client that its connection will close, with the last answer that it gets there. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';

type LooseEmit = (this: Server, event: string, ...args: unknown[]) => boolean;

/** The response on each connection that is to say `Connection: close`. */
const marked = new WeakMap<Socket, ServerResponse>();

/**
 * From now on the last response on each connection says `Connection: close`. Requests that arrive together are handed
 * on together, a turn later: marking each would lose those pipelined behind the first.
 */
export function announceClose(server: Server): void {
  const emit = server.emit as LooseEmit;
  let batch: [string, IncomingMessage, ServerResponse][] = [];
  const handOn = (): void => {
    const requests = batch;
    batch = [];
    const last = new Map(requests.map(([, request, response]) => [request.socket, response]));
    for (const [socket, response] of last) markLast(socket, response);
    for (const request of requests) emit.apply(server, request);
  };
  const emitLater: LooseEmit = function (event, ...args) {
    const [request, response] = args as [IncomingMessage, ServerResponse];
    const deferred = (event === 'request' || event === 'checkContinue') && request.httpVersionMajor === 1;
    if (!deferred) return emit.call(this, event, ...args);
    unmark(request.socket);
    if (batch.push([event, request, response]) === 1) setImmediate(handOn);
    return true;
  };
  server.emit = emitLater as typeof server.emit;
}

/** The response says `Connection: close`, if its head is still to come. */
export function markLast(socket: Socket, response: ServerResponse): void {
  if (response.headersSent || !response.shouldKeepAlive) return;
  response.shouldKeepAlive = false;
  marked.set(socket, response);
}

/** A request was pipelined behind the response that would have been the last. */
function unmark(socket: Socket): void {
  const response = marked.get(socket);
  if (response && !response.headersSent) response.shouldKeepAlive = true;
  marked.delete(socket);
}
