import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { LoadClient, type LoadOptions, type Loss } from '../helpers/load-client.ts';
import { tempDir } from '../helpers/temp.ts';

const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** A server that does with every request (the n-th of its connection, from 1) what `answer` says. */
async function serve(answer: (socket: Socket, nth: number) => void, where: string | number = 0): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    let nth = 0;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => answer(socket, ++nth));
  });
  await new Promise<void>((resolve) => server.listen(where, resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return typeof where === 'string' ? `unix:${where}` : `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function run(target: string, options: Partial<LoadOptions> = {}) {
  return await new LoadClient({ target, connections: 2, requests: 20, timeoutMs: 2000, ...options }).done;
}

function losses(kind?: Loss, count = 0): Record<Loss, number> {
  const none = { refused: 0, resetFresh: 0, resetKept: 0, cutBody: 0, timeout: 0, badStatus: 0 };
  return kind === undefined ? none : { ...none, [kind]: count };
}

test('good answers: counted, timed, on connections that are kept', async () => {
  const result = await run(await serve((socket) => socket.write(whole)));
  expect(result).toMatchObject({ requests: 20, ok: 20, failures: 0, opened: 2, lastOnes: 0, lost: losses() });
  expect(result.latency.p50).toBeGreaterThan(0);
  expect(result.latency.max).toBeGreaterThanOrEqual(result.latency.p99);
});

test('one request a connection', async () => {
  const result = await run(await serve((socket) => socket.end(whole)), { keepAlive: false });
  expect(result).toMatchObject({ ok: 20, failures: 0, opened: 20 });
});

test('"Connection: close" is obeyed', async () => {
  let late = 0;
  const target = await serve((socket, nth) => {
    if (nth > 3) late++;
    socket.write(nth === 3 ? whole.replace('\r\n', '\r\nConnection: close\r\n') : whole);
  });
  const result = await run(target, { connections: 1, requests: 12 });
  expect(result).toMatchObject({ ok: 12, failures: 0, opened: 4, lastOnes: 4 });
  expect(late).toBe(0);
});

test('a connection closed while nothing is asked is no loss', async () => {
  const target = await serve((socket) => socket.end(whole));
  const result = await run(target, { connections: 1, requests: 4, thinkMs: [50, 60] });
  expect(result).toMatchObject({ requests: 4, ok: 4, failures: 0, opened: 4, lastOnes: 0 });
});

test('a connection closed just as the next request is written is a loss', async () => {
  const target = await serve((socket) => socket.end(whole));
  const result = await run(target, { connections: 1, requests: 8 });
  expect(result).toMatchObject({ requests: 8, ok: 4, opened: 4, lost: losses('resetKept', 4) });
});

test('refused: nobody listens', async () => {
  const server = createServer().listen(0);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const result = await run(`127.0.0.1:${port}`, { requests: 6 });
  expect(result).toMatchObject({ requests: 6, ok: 0, failures: 6, lost: losses('refused', 6) });
  expect(result.examples[0]).toContain('ECONNREFUSED');
  expect((await run(`unix:${tempDir()}/none.sock`, { requests: 3 })).lost).toEqual(losses('refused', 3));
});

test('resetFresh: the first request of a connection is not answered', async () => {
  const closed = await run(await serve((socket) => socket.end()), { requests: 6 });
  expect(closed).toMatchObject({ ok: 0, lost: losses('resetFresh', 6) });
  const reset = await run(await serve((socket) => socket.resetAndDestroy()), { requests: 6 });
  expect(reset).toMatchObject({ ok: 0, lost: losses('resetFresh', 6) });
  expect(reset.examples[0]).toContain('ECONNRESET');
});

test('resetKept: a later request is not answered, and is not asked again', async () => {
  let requests = 0;
  const target = await serve((socket, nth) => {
    requests++;
    if (nth === 3) socket.resetAndDestroy();
    else socket.write(whole);
  });
  const result = await run(target, { connections: 1, requests: 12 });
  expect(result).toMatchObject({ requests: 12, ok: 8, opened: 4, lost: losses('resetKept', 4) });
  expect(requests).toBe(12);
});

test('cutBody: the answer ends too early, in the head or in the body', async () => {
  for (const part of ['HTTP/1.1 200 OK\r\nConte', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc']) {
    expect((await run(await serve((socket) => socket.end(part)), { requests: 6 })).lost).toEqual(losses('cutBody', 6));
  }
  const chunks = await serve((socket) =>
    socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'),
  );
  expect((await run(chunks, { requests: 6 })).lost).toEqual(losses('cutBody', 6));
});

test('timeout: no complete answer in time', async () => {
  const target = await serve((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'));
  expect((await run(target, { requests: 4, timeoutMs: 50 })).lost).toEqual(losses('timeout', 4));
});

test('badStatus: an answer, but not a good one', async () => {
  const busy = await serve((socket) => socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno'));
  const result = await run(busy, { requests: 4 });
  expect(result).toMatchObject({ ok: 0, opened: 2, lost: losses('badStatus', 4) });
  expect(result.examples[0]).toContain('503 no');
  const good = await serve((socket) => socket.write(whole));
  expect((await run(good, { requests: 4, accept: ({ body }) => body === 'else' })).lost).toEqual(
    losses('badStatus', 4),
  );
  expect((await run(await serve((socket) => socket.write('nonsense\r\n')), { requests: 4 })).lost).toEqual(
    losses('badStatus', 4),
  );
});

test('bodies, slow bodies and unix sockets', async () => {
  const server = createHttpServer((req, res) => {
    let text = '';
    req.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    req.on('end', () => res.end(`${req.method} ${text}`));
  });
  const path = join(tempDir(), 'a.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
  const body = 'x'.repeat(1000);
  const options = { body, accept: (answer: { body: string }) => answer.body === `POST ${body}` };
  expect(await run(`unix:${path}`, options)).toMatchObject({ ok: 20, failures: 0, opened: 2 });
  const slow = await run(`unix:${path}`, { ...options, slowBodyMs: 30, requests: 4 });
  expect(slow).toMatchObject({ ok: 4, failures: 0 });
  expect(slow.latency.p50).toBeGreaterThanOrEqual(29);
});

test('stop() lets the requests under way finish', async () => {
  const target = await serve((socket) => setTimeout(() => socket.write(whole), 100));
  const client = new LoadClient({ target, connections: 3 });
  await sleep(50);
  expect(await client.stop()).toMatchObject({ requests: 3, ok: 3, failures: 0 });
});
