import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** A web-standard handler: `export default { fetch(request) }`, a Hono or an H3 application. */
export interface FetchApplication {
  fetch(request: Request, env?: { incoming: IncomingMessage; outgoing: ServerResponse }): Response | Promise<Response>;
}

// A Host header is put into the request's URL: anything but a host there would let a client choose the path.
const validHost = /^(\[[0-9a-f:.]+\]|[a-z0-9._~%!$&'()*+,;=-]+)(:\d{1,5})?$/i;

/**
 * Makes a listener for `http.createServer()` out of a fetch handler. The request is a genuine `Request`, bodies stream
 * both ways, and `request.signal` aborts when the client goes. What frameworks look for beside the standard is there:
 * `request.ip` and `request.runtime.node` (H3), and `{ incoming, outgoing }` as second argument (Hono's conninfo).
 */
export async function fetchListener(application: FetchApplication): Promise<RequestListener> {
  const { createRequestListener } = await import('@remix-run/node-fetch-server');
  return (incoming, outgoing) => {
    if (!makeOriginForm(incoming)) return void outgoing.writeHead(400, { connection: 'close' }).end();
    const handler = async (request: Request) => {
      if (request.body) releaseUnreadBody(request, incoming, outgoing);
      Object.assign(request, {
        ip: incoming.socket.remoteAddress,
        runtime: { name: 'node', node: { req: incoming, res: outgoing } },
      });
      const response = await application.fetch(request, { incoming, outgoing });
      if (!response) throw new TypeError(`fetch() returned ${response}, not a Response`);
      return response;
    };
    createRequestListener(handler)(incoming, outgoing);
  };
}

/** Rewrites `GET http://host/path` and `OPTIONS *` to a path; false when no URL can be made of the request. */
function makeOriginForm(incoming: IncomingMessage): boolean {
  const target = incoming.url ?? '/';
  if (target === '*') incoming.url = '/*';
  else if (!target.startsWith('/')) {
    if (!URL.canParse(target)) return false;
    const url = new URL(target);
    incoming.headers.host = url.host;
    incoming.url = url.pathname + url.search;
  }
  const host = incoming.headers.host;
  return host === undefined || host === '' || validHost.test(host);
}

/**
 * A handler that answers without reading the body leaves it paused, and with it every later request of the connection.
 * One that is still reading after its answer goes on.
 */
function releaseUnreadBody(request: Request, incoming: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.once('finish', async () => {
    if (incoming.readableEnded) return;
    if (!request.bodyUsed) await request.body?.cancel().catch(() => {}); // locked: somebody is about to read
    if (incoming.listenerCount('data') === 0) incoming.resume();
  });
}
