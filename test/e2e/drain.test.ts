/** A worker that leaves loses nothing that reached it, and cuts nobody off who could have been told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { beginDrain, ended, serve } from '../helpers/drain.ts';
import { type Connection, openKeepAlive, requestText } from '../helpers/http.ts';
import { LoadClient } from '../helpers/load-client.ts';

const closes = (connection: Connection) => connection.answers.map(({ headers }) => headers.connection === 'close');

test('a slow response is answered in full, with Connection: close', async () => {
  const tsgun = await serve('routes.cjs');
  const visitor = await openKeepAlive(tsgun.address);
  const answer = visitor.request('/?ms=800&say=late');
  await sleep(100);
  const start = performance.now();
  tsgun.signal('SIGTERM');
  expect(await answer).toMatchObject({ status: 200, body: 'late', headers: { connection: 'close' } });
  expect(await visitor.closed).toBeUndefined();
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeGreaterThan(600);
  expect(ms).toBeLessThan(2500);
});

test('nobody is connected: it ends at once', async () => {
  const tsgun = await serve('routes.cjs');
  await tsgun.get();
  const start = performance.now();
  tsgun.signal('SIGTERM');
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(700);
});

test('who connects during the drain is refused, and does not wait in vain', async () => {
  const tsgun = await serve('routes.cjs');
  const visitor = await openKeepAlive(tsgun.address);
  const answer = visitor.request('/?ms=600');
  await sleep(100);
  await beginDrain(tsgun);
  await expect(openKeepAlive(tsgun.address)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect((await answer).status).toBe(200);
  expect((await tsgun.exit).code).toBe(0);
});

test('who connects while it stops is answered or refused; the queue is not thrown away', async () => {
  let reset = 0;
  for (let round = 0; round < 3; round++) {
    const tsgun = await serve('routes.cjs', ['-w', '2']);
    const load = new LoadClient({ target: tsgun.address, connections: 12, keepAlive: false, thinkMs: 5 });
    await sleep(300);
    tsgun.signal('SIGTERM');
    expect((await tsgun.exit).code).toBe(0);
    const { ok, lost, examples } = await load.stop();
    const { refused: _, resetFresh, ...taken } = lost;
    expect(taken, examples.join('\n')).toEqual({ resetKept: 0, cutBody: 0, timeout: 0, badStatus: 0 });
    expect(ok).toBeGreaterThan(30);
    reset += resetFresh; // of those in the very moment of the close
  }
  expect(reset).toBeLessThan(3);
});

test('three pipelined requests, written before the drain: all are answered, the last one says close', async () => {
  const tsgun = await serve('routes.cjs');
  const visitor = await openKeepAlive(tsgun.address);
  visitor.write(['/?ms=600&say=1', '/?ms=700&say=2', '/?ms=800&say=3'].map((path) => requestText(path)).join(''));
  await sleep(100);
  tsgun.signal('SIGTERM');
  await visitor.closed;
  expect(visitor.answers.map(({ body }) => body)).toEqual(['1', '2', '3']);
  expect(closes(visitor)).toEqual([false, false, true]);
  expect((await tsgun.exit).code).toBe(0);
});

test('pipelined requests that end in the wrong order: all are answered', async () => {
  const tsgun = await serve('routes.cjs', ['--drain-linger', '0.4']);
  const visitor = await openKeepAlive(tsgun.address);
  visitor.write(['/?ms=800&say=1', '/?ms=300&say=2', '/?ms=500&say=3'].map((path) => requestText(path)).join(''));
  await sleep(100);
  tsgun.signal('SIGTERM');
  await visitor.closed;
  expect(visitor.answers.map(({ body }) => body)).toEqual(['1', '2', '3']);
  expect((await tsgun.exit).code).toBe(0);
});

test.for([
  ['at once', '/?say=1', '/?say=2', '/?say=3'],
  ['later', '/?ms=50&say=1', '/?ms=100&say=2', '/?ms=150&say=3'],
])('three pipelined requests during the drain, answered %s: the last one says close', async ([, ...paths]) => {
  const tsgun = await serve('routes.cjs');
  const visitor = await openKeepAlive(tsgun.address);
  await visitor.request('/');
  await beginDrain(tsgun);
  visitor.write(paths.map((path) => requestText(path)).join(''));
  expect(await visitor.closed).toBeUndefined();
  expect(visitor.answers.slice(1).map(({ body }) => body)).toEqual(['1', '2', '3']);
  expect(closes(visitor)).toEqual([false, false, false, true]);
  expect((await tsgun.exit).code).toBe(0);
});

test('a request that is pipelined behind one under way is answered too', async () => {
  const tsgun = await serve('routes.cjs');
  const visitor = await openKeepAlive(tsgun.address);
  visitor.write(requestText('/?ms=800&say=1'));
  await sleep(100);
  await beginDrain(tsgun);
  visitor.write(requestText('/?ms=500&say=2'));
  await sleep(150);
  visitor.write(requestText('/?say=3'));
  expect(await visitor.closed).toBeUndefined();
  expect(visitor.answers.map(({ body }) => body)).toEqual(['1', '2', '3']);
  expect((await tsgun.exit).code).toBe(0);
});

test('kept-alive connections: a request within the linger is answered with close, idle ones are closed in its course', async () => {
  const tsgun = await serve('routes.cjs');
  const visitors = await Promise.all(Array.from({ length: 12 }, () => openKeepAlive(tsgun.address)));
  const [asks, neverUsed, ...idle] = visitors as [Connection, Connection, ...Connection[]];
  await Promise.all([asks, ...idle].map((visitor) => visitor.request('/')));
  const start = performance.now();
  const closedAt: number[] = [];
  for (const visitor of [neverUsed, ...idle]) void visitor.closed.then(() => closedAt.push(performance.now() - start));
  await beginDrain(tsgun);
  await sleep(200);
  expect(closedAt).toEqual([]);
  expect(await asks.request('/?say=again')).toMatchObject({ body: 'again', headers: { connection: 'close' } });
  expect(await asks.closed).toBeUndefined();
  for (const visitor of [neverUsed, ...idle]) expect(await visitor.closed).toBeUndefined();
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(1800);
  // Spread, since their clients come back at once.
  expect(Math.max(...closedAt) - Math.min(...closedAt)).toBeGreaterThan(60);
});

test('--drain-linger 0: idle connections are closed at once, responses under way are not', async () => {
  const tsgun = await serve('routes.cjs', ['--drain-linger', '0']);
  const idle = await openKeepAlive(tsgun.address);
  await idle.request('/');
  const busy = await openKeepAlive(tsgun.address);
  const answer = busy.request('/?ms=800&say=whole');
  await sleep(100);
  const start = performance.now();
  tsgun.signal('SIGTERM');
  await idle.closed;
  expect(performance.now() - start).toBeLessThan(500);
  expect(await answer).toMatchObject({ body: 'whole', headers: { connection: 'close' } });
  expect((await tsgun.exit).code).toBe(0);
});

test('a chunked stream that is still being written is completed, and the next request gets its linger', async () => {
  const tsgun = await serve('routes.cjs', ['--drain-linger', '0.4']);
  const visitor = await openKeepAlive(tsgun.address);
  const stream = visitor.request('/stream?ms=800');
  await sleep(100);
  tsgun.signal('SIGTERM');
  const answer = await stream;
  expect(answer.body).toMatch(/^first 800 .* 50 last$/);
  // Its head had gone out before: the client was told to keep the connection.
  expect(answer.headers.connection).toBe('keep-alive');
  await sleep(60);
  expect(await visitor.request('/?say=next')).toMatchObject({ body: 'next', headers: { connection: 'close' } });
  expect((await tsgun.exit).code).toBe(0);
});

test('a client that is still sending its body is heard out and answered', async () => {
  const tsgun = await serve('routes.cjs', ['--drain-linger', '0.4']);
  const visitor = await openKeepAlive(tsgun.address);
  visitor.write('POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 3000\r\n\r\n');
  visitor.write('x'.repeat(1000));
  await sleep(100);
  await beginDrain(tsgun);
  for (const pause of [300, 300]) {
    await sleep(pause);
    visitor.write('x'.repeat(1000));
  }
  expect(await visitor.next()).toMatchObject({ status: 200, body: '3000 bytes', headers: { connection: 'close' } });
  expect((await tsgun.exit).code).toBe(0);
});

test('Expect: 100-continue, asked during the drain, is told to go on and answered', async () => {
  const tsgun = await serve('routes.cjs');
  const visitor = await openKeepAlive(tsgun.address);
  await visitor.request('/');
  await beginDrain(tsgun);
  visitor.write('POST /upload HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  await visitor.until(() => visitor.received.includes('HTTP/1.1 100 Continue\r\n\r\n'), '100 Continue');
  visitor.write('body');
  await visitor.until(() => visitor.received.endsWith('4 bytes'), 'the answer');
  expect(visitor.received).toMatch(/100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n(?:.+\r\n)*Connection: close\r\n/);
  expect((await tsgun.exit).code).toBe(0);
});

test.for(['', 'Connection: keep-alive\r\n'])('HTTP/1.0 %s', async (header) => {
  const tsgun = await serve('routes.cjs');
  const [before, during] = await Promise.all([openKeepAlive(tsgun.address), openKeepAlive(tsgun.address)]);
  const request = (say: string, ms: number) => `GET /?say=${say}&ms=${ms} HTTP/1.0\r\n${header}\r\n`;
  before.write(request('before', 500));
  await sleep(100);
  await beginDrain(tsgun);
  during.write(request('during', 50));
  expect((await Promise.all([before.next(), during.next()])).map(({ body }) => body)).toEqual(['before', 'during']);
  for (const visitor of [before, during]) {
    expect(visitor.answers[0]?.headers.connection).not.toBe('keep-alive');
    expect(await visitor.closed).toBeUndefined();
  }
  expect((await tsgun.exit).code).toBe(0);
});

test('a head that is half sent when the drain begins, and completed in its course, is answered', async () => {
  const tsgun = await serve('routes.cjs', ['--drain-linger', '0.4']);
  const [fresh, kept] = await Promise.all([openKeepAlive(tsgun.address), openKeepAlive(tsgun.address)]);
  await kept.request('/');
  for (const visitor of [fresh, kept]) visitor.write('GET /?say=whole HTTP/1.1\r\nHo');
  await sleep(100);
  await beginDrain(tsgun);
  await sleep(500); // longer than the linger
  for (const visitor of [fresh, kept]) visitor.write('st: test\r\n\r\n');
  for (const visitor of [fresh, kept]) {
    await visitor.closed;
    expect(visitor.answers.at(-1)).toMatchObject({ body: 'whole', headers: { connection: 'close' } });
  }
  expect((await tsgun.exit).code).toBe(0);
});

test('what takes longer than --graceful-timeout is cut off, in time', async () => {
  const tsgun = await serve('routes.cjs', ['--graceful-timeout', '1']);
  const visitors = await Promise.all(Array.from({ length: 3 }, () => openKeepAlive(tsgun.address)));
  const [slow, stream, half] = visitors as [Connection, Connection, Connection];
  slow.write(requestText('/?ms=20000'));
  stream.write(requestText('/stream?ms=20000'));
  half.write('GET / HT');
  await sleep(100);
  const start = performance.now();
  tsgun.signal('SIGTERM');
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeGreaterThan(950);
  expect(ms).toBeLessThan(2500);
  await Promise.all(visitors.map(({ closed }) => closed));
  expect([slow.cut || slow.answers.length === 0, stream.cut]).toEqual([true, true]);
  expect(tsgun.records('kill')).toEqual([]); // the worker kept the limit by itself
});

test('two TERMs are one', async () => {
  const tsgun = await serve('routes.cjs');
  const visitor = await openKeepAlive(tsgun.address);
  const answer = visitor.request('/?ms=700&say=whole');
  await sleep(100);
  await beginDrain(tsgun);
  for (const pid of [tsgun.pid, ...tsgun.family()]) process.kill(pid, 'SIGTERM');
  expect(await answer).toMatchObject({ body: 'whole', headers: { connection: 'close' } });
  expect((await tsgun.exit).code).toBe(0);
});

test.for(['SIGINT', 'SIGQUIT'] as const)('TERM, then %s: it ends at once', async (signal) => {
  const tsgun = await serve('routes.cjs', ['-w', '2', '--graceful-timeout', '20', '--drain-linger', '20']);
  const visitors = await Promise.all(Array.from({ length: 4 }, () => openKeepAlive(tsgun.address)));
  for (const visitor of visitors) visitor.write(requestText('/?ms=20000'));
  await sleep(100);
  await beginDrain(tsgun);
  const start = performance.now();
  tsgun.signal(signal);
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(2000);
});
