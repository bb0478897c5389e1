import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { type FetchApplication, fetchListener } from '../../../src/worker/adapters/fetch.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function serve(fetch: FetchApplication['fetch']): Promise<number> {
  const server = createServer(await fetchListener({ fetch })).listen(0, '127.0.0.1');
  cleanups.push(() => server.close().closeAllConnections());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function ask(port: number, options: RequestOptions = {}) {
  const asked = request({ port, host: '127.0.0.1', agent: false, ...options });
  const answered = once(asked, 'response').then(([response]) => response as IncomingMessage);
  answered.catch(() => {}); // a test that destroys the request does not wait for the answer
  return { asked, answered };
}

async function answer(port: number, options: RequestOptions = {}, body?: string) {
  const { asked, answered } = ask(port, options);
  asked.end(body);
  const response = await answered;
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

/** Writes to a raw connection and reads until the text has come. */
async function raw(port: number, text: string): Promise<{ socket: Socket; until(pattern: RegExp): Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  cleanups.push(() => socket.destroy());
  let got = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    got += chunk;
  });
  socket.write(text);
  const until = async (pattern: RegExp) => {
    await vi.waitFor(() => expect(got).toMatch(pattern), { timeout: 3000 });
    return got;
  };
  return { socket, until };
}

test('a response is streamed: its first chunk arrives before the second is made', async () => {
  let finish = () => {};
  const port = await serve(() => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('first '));
        finish = () => {
          controller.enqueue(new TextEncoder().encode('second'));
          controller.close();
        };
      },
    });
    return new Response(body);
  });
  const { asked, answered } = ask(port);
  asked.end();
  const chunks = (await answered)[Symbol.asyncIterator]();
  expect(String((await chunks.next()).value)).toBe('first ');
  finish();
  expect(String((await chunks.next()).value)).toBe('second');
});

test('a request body is streamed, in both directions at once', async () => {
  const port = await serve(
    (request) =>
      new Response(request.body!.pipeThrough(new TransformStream({ transform: (chunk, to) => to.enqueue(chunk) }))),
  );
  const { asked, answered } = ask(port, { method: 'POST' });
  asked.write('ping 1');
  const chunks = (await answered)[Symbol.asyncIterator]();
  expect(String((await chunks.next()).value)).toBe('ping 1');
  asked.write('ping 2');
  expect(String((await chunks.next()).value)).toBe('ping 2');
  asked.end();
  expect((await chunks.next()).done).toBe(true);
});

test('the signal aborts, and the response body is cancelled, when the client goes', async () => {
  const happened: string[] = [];
  const port = await serve((request) => {
    request.signal.addEventListener('abort', () => happened.push('aborted'));
    const body = new ReadableStream({
      pull: async (controller) => {
        await sleep(5);
        controller.enqueue(new Uint8Array(10));
      },
      cancel: () => void happened.push('cancelled'),
    });
    return new Response(body);
  });
  const { asked, answered } = ask(port);
  asked.end();
  const response = await answered;
  response.on('error', () => {});
  asked.destroy();
  await vi.waitFor(() => expect(happened.sort()).toEqual(['aborted', 'cancelled']));
});

test('the signal aborts before there is a response, and not after an answered request', async () => {
  const aborted: string[] = [];
  const port = await serve(async (request) => {
    const { pathname } = new URL(request.url);
    request.signal.addEventListener('abort', () => aborted.push(pathname));
    if (pathname === '/slow') await sleep(10_000, undefined, { signal: request.signal }).catch(() => {});
    return new Response('done');
  });
  expect((await answer(port, { path: '/quick' })).text).toBe('done');
  const { asked } = ask(port, { path: '/slow' });
  asked.on('error', () => {});
  asked.end();
  await sleep(50);
  asked.destroy();
  await vi.waitFor(() => expect(aborted).toEqual(['/slow']));
});

test('each set-cookie is a header of its own', async () => {
  const port = await serve(() => {
    const headers = new Headers({ 'x-one': '1' });
    headers.append('set-cookie', 'a=1; Path=/');
    headers.append('set-cookie', 'b=2, with a comma');
    return new Response(null, { status: 204, headers });
  });
  const { status, headers } = await answer(port);
  expect(status).toBe(204);
  expect(headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2, with a comma']);
});

test('HEAD has the headers and no body', async () => {
  const port = await serve(() => new Response('twelve bytes', { headers: { 'content-length': '12' } }));
  const { status, headers, text } = await answer(port, { method: 'HEAD' });
  expect([status, headers['content-length'], text]).toEqual([200, '12', '']);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('thrown');
    },
  ],
  ['rejects', () => Promise.reject(new Error('rejected'))],
  ['returns nothing', () => undefined as unknown as Response],
])('a handler that %s gives 500 and a line on stderr, and the next request is answered', async (_, fails) => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {});
  const port = await serve((request) => (request.url.endsWith('/bad') ? fails() : new Response('fine')));
  expect((await answer(port, { path: '/bad' })).status).toBe(500);
  expect(told).toHaveBeenCalled();
  expect((await answer(port)).text).toBe('fine');
  told.mockRestore();
});

test.each([
  ['that nobody reads', async () => {}],
  ['that is cancelled', async (request: Request) => request.body?.cancel()],
])('a body %s does not hold up the next request on the connection', async (_, treat) => {
  const port = await serve(async (request) => {
    await treat(request);
    return new Response(`${request.method} answered`);
  });
  const { socket, until } = await raw(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n');
  await until(/POST answered/);
  socket.write('x'.repeat(3_000_000));
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await until(/GET answered/);
});

test('a handler may go on reading after its answer', async () => {
  let length = 0;
  const port = await serve((request) => {
    void request.arrayBuffer().then((body) => {
      length = body.byteLength;
    });
    return new Response('accepted');
  });
  const { socket, until } = await raw(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\nx');
  await until(/accepted/);
  socket.write('x'.repeat(1_999_999));
  await vi.waitFor(() => expect(length).toBe(2_000_000));
});

test('the request is a genuine Request, and no global is replaced', async () => {
  const { Request: before } = globalThis;
  const port = await serve(async (request) => {
    const copy = new Request(request, { headers: { 'x-added': 'yes' } });
    return Response.json({
      genuine: request instanceof Request && Object.getPrototypeOf(request) === Request.prototype,
      added: copy.headers.get('x-added'),
      body: await copy.text(),
    });
  });
  const { text } = await answer(port, { method: 'POST' }, 'hello');
  expect(JSON.parse(text)).toEqual({ genuine: true, added: 'yes', body: 'hello' });
  expect(globalThis.Request).toBe(before);
});

test('the client address is where frameworks look for it', async () => {
  const port = await serve((request, env) => {
    const { ip, runtime } = request as Request & { ip: string; runtime: { node: { req: IncomingMessage } } };
    return Response.json([ip, runtime.node.req === env!.incoming, env!.outgoing.req === env!.incoming]);
  });
  expect(JSON.parse((await answer(port)).text)).toEqual(['127.0.0.1', true, true]);
});

test.each([
  ['GET /path?query HTTP/1.1\r\nHost: shop.example:81', '200', 'http://shop.example:81/path?query'],
  ['GET //evil.example/path HTTP/1.1\r\nHost: shop.example', '200', 'http://shop.example//evil.example/path'],
  ['GET http://other.example/path HTTP/1.1\r\nHost: shop.example', '200', 'http://other.example/path'],
  ['OPTIONS * HTTP/1.1\r\nHost: shop.example', '200', 'http://shop.example/*'],
  ['GET / HTTP/1.1\r\nHost: [::1]:8000', '200', 'http://[::1]:8000/'],
  ['GET / HTTP/1.0', '200', 'http://localhost/'],
  ['GET / HTTP/1.1\r\nHost: shop.example/admin?', '400', ''],
  ['GET / HTTP/1.1\r\nHost: user@shop.example', '400', ''],
  ['GET nonsense HTTP/1.1\r\nHost: shop.example', '400', ''],
])('%j: status %s, url %s', async (head, status, url) => {
  const port = await serve((request) => new Response(`<${request.url}>`));
  const { until } = await raw(port, `${head}\r\nConnection: close\r\n\r\n`);
  const got = await until(/\r\n\r\n/);
  expect(got).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  if (url !== '') expect(await until(/<.*>/)).toContain(`<${url}>`);
});
