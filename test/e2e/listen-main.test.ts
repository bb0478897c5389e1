/** Which server of a program gets the addresses that the user bound, and what becomes of the others. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { get, openKeepAlive } from '../helpers/http.ts';
import { listeningPorts, portListens, until } from '../helpers/proc.ts';
import { freePort, said, startProgram } from '../helpers/program.ts';
import { tempDir, writeApp } from '../helpers/temp.ts';

test('PORT, and a program that has another port written into it: it is served on PORT', async () => {
  const [written, port] = [await freePort(), await freePort()];
  const source = `http.createServer(answer('main')).listen(${written}, () => say('listening'));`;
  const tsgun = await startProgram(source, ['-w', '2'], { env: { PORT: String(port) } }).ready(2);
  expect((await get(`127.0.0.1:${port}`)).body).toMatch(/^main /);
  await until(() => !portListens(written), 'the port that was written into it is given back');
  expect(listeningPorts(tsgun.pid)).toEqual([port]);
  expect(said(tsgun)).toEqual([['listening'], ['listening']]);
});

test('PORT, and a program with several listeners: the one that asks for PORT is the main one', async () => {
  const [metrics, port] = [await freePort(), await freePort()];
  const source = `http.createServer(answer('metrics')).listen(${metrics}, '127.0.0.1');
    const main = http.createServer(answer('main')).listen(process.env.PORT, () => say(main.address().port));`;
  const tsgun = await startProgram(source, [], { env: { PORT: String(port) } }).ready();
  expect((await get(`127.0.0.1:${port}`)).body).toMatch(/^main /);
  expect((await get(`127.0.0.1:${metrics}`)).body).toMatch(/^metrics /);
  expect(said(tsgun)).toEqual([[port]]);
});

test('--app-port chooses among several listeners; without it, it is the first', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const source = `http.createServer(answer('first')).listen(${first}, '127.0.0.1');
    http.createServer(answer('second')).listen(${second}, '127.0.0.1');`;
  for (const [args, main, other, otherPort] of [
    [['--app-port', String(second)], /^second /, /^first /, first],
    [[], /^first /, /^second /, second],
  ] as const) {
    const tsgun = await startProgram(source, ['-b', '127.0.0.1:0', ...args]).ready();
    expect((await tsgun.get()).body).toMatch(main);
    expect((await get(`127.0.0.1:${otherPort}`)).body).toMatch(other);
    expect(String((await tsgun.waitFor('notice')).msg)).toMatch(/the server that asked for port \d+ is served on/);
    expect((await tsgun.stop()).code).toBe(0);
  }
});

test('several binds all lead to the main server', async () => {
  const path = join(tempDir(), 'a.sock');
  const source = `const main = http.createServer(answer('main')).listen(3000, () => say(main.address()));`;
  const tsgun = await startProgram(source, ['-b', '127.0.0.1:0', '-b', `unix:${path}`, '-b', '127.0.0.1:0']).ready();
  await tsgun.waitFor('listening', { count: 3 });
  expect(tsgun.addresses()).toHaveLength(3);
  for (const address of tsgun.addresses()) expect((await get(address)).body).toMatch(/^main /);
  expect(said(tsgun)).toEqual([[{ address: '127.0.0.1', family: 'IPv4', port: expect.any(Number) }]]);
});

test('bound to a unix socket: address() is its path, and no door beside it is opened (Fastify on localhost asks for one)', async () => {
  const path = join(tempDir(), 'a.sock');
  // What Fastify does on its default host: a second server for the other address of localhost.
  const source = `const main = http.createServer(answer('main')).listen(3000, 'localhost', () => {
      say(main.address());
      const beside = http.createServer(answer('beside'));
      beside.on('error', (error) => say(error.code)).listen(main.address().port, '127.0.0.1', () => say('beside'));
    });`;
  const tsgun = await startProgram(source, ['-b', `unix:${path}`]).ready();
  await until(() => said(tsgun).length === 2, 'two lines');
  expect(said(tsgun)).toEqual([[path], ['EADDRINUSE']]);
  expect((await get(`unix:${path}`)).body).toMatch(/^main /);
  expect(listeningPorts(tsgun.pid)).toEqual([]);
});

test('a server that speaks no HTTP gets the bind when there is no other', async () => {
  const source = `net.createServer((socket) => socket.end('HTTP/1.0 200 OK\\r\\n\\r\\nraw')).listen(3000);`;
  const tsgun = await startProgram(source, ['-b', '127.0.0.1:0', '-w', '2']).ready(2);
  expect((await tsgun.get()).body).toBe('raw');
  expect(listeningPorts(tsgun.pid)).toHaveLength(1);
});

test.for([
  ['a program', `http.createServer(answer('main')).listen(3000);`],
  ['an exported handler', `module.exports = answer('main');`],
] as const)(
  'an instrumentation that listens before %s runs gets its own port, and not the bind',
  async ([, source]) => {
    const metrics = await freePort();
    const preload = writeApp(tempDir(), {
      'preload.cjs': `require('node:http').createServer((q, s) => s.end('metrics')).listen(${metrics}, '127.0.0.1');`,
    });
    const args = ['-w', '2', '-b', '127.0.0.1:0', '--env', `NODE_OPTIONS=--require=${preload}`];
    const tsgun = await startProgram(source, args).ready(2);
    for (let i = 0; i < 5; i++) {
      expect((await tsgun.get()).body).toMatch(/^main /);
      expect((await get(`127.0.0.1:${metrics}`)).body).toBe('metrics');
    }
  },
);

test('server.unref(): the program ends when nothing else keeps it, as in bare Node', async () => {
  const tsgun = startProgram(`http.createServer().listen(0, '127.0.0.1').unref();`);
  expect((await tsgun.exit).code).toBe(3);
  const alive = startProgram(
    `http.createServer(answer('main')).listen(0, '127.0.0.1').unref(); setInterval(() => {}, 1e6);`,
  );
  await alive.ready();
  await sleep(300);
  expect((await alive.get()).body).toMatch(/^main /);
});

test('a program that closes its server and ends is replaced; who connects meanwhile is served by the next', async () => {
  const source = `const server = http.createServer((req, res) => {
      res.end('main ' + process.pid);
      if (req.url === '/close') server.close();
    }).listen(0, '127.0.0.1');`;
  for (const args of [[], ['-b', '127.0.0.1:0']]) {
    const tsgun = await startProgram(source, args).ready();
    const [worker] = tsgun.workers() as [number];
    expect((await tsgun.get('/close')).body).toBe(`main ${worker}`);
    const { body } = await tsgun.get('/');
    expect(body).toMatch(/^main \d+$/);
    expect(body).not.toBe(`main ${worker}`);
    expect(await tsgun.waitFor('exited')).toMatchObject({ pid: worker, code: 0 });
  }
});

test.for([
  ['a bind', ['-b', '127.0.0.1:0'], {}],
  ['PORT', [], { PORT: '0' }],
  ['none', [], {}],
] as const)('a program that closes its server and listens again is served where it was: %s', async ([, args, env]) => {
  const written = await freePort();
  const source = `const server = http.createServer((req, res) => {
      res.end('main ' + process.pid);
      if (req.url === '/again') server.close(() => server.listen(${written}, () => say('again', server.address())));
    }).listen(${written});`;
  const tsgun = await startProgram(source, [...args], { env }).ready();
  const before = tsgun.address;
  const { body } = await tsgun.get('/again');
  await until(() => said(tsgun).length === 1, 'the second listen');
  expect((await get(before)).body).toBe(body);
  expect(said(tsgun)).toMatchObject([['again', { port: Number(before.split(':').at(-1)) }]]);
  expect(listeningPorts(tsgun.pid)).toHaveLength(1);
});

test('searches for a free port while it serves leave no socket behind', async () => {
  const source = `http.createServer((req, res) => {
      const probe = net.createServer().listen(0, '127.0.0.1', () => {
        const { port } = probe.address();
        probe.close(() => res.end(String(port)));
      });
    }).listen(0, '127.0.0.1');`;
  const tsgun = await startProgram(source, ['-w', '2']).ready(2);
  const port = Number(tsgun.address.split(':')[1]);
  for (let i = 0; i < 20; i++) expect((await tsgun.get()).status).toBe(200);
  await until(
    () => listeningPorts(tsgun.pid).length === 1,
    () => `one port, not ${listeningPorts(tsgun.pid)}`,
  );
  expect(listeningPorts(tsgun.pid)).toEqual([port]);
});

/** Closes its server when it is told to go, as programs do. */
const closing = `const server = http.createServer(answer('main')).listen(0, '127.0.0.1');
  process.on('SIGTERM', () => server.close(() => setTimeout(process.exit, 200, 0)));
  process.on('uncaughtException', () => server.close(() => setTimeout(process.exit, 200, 1)));
  server.on('request', (req) => { if (req.url === '/crash') setTimeout(() => { throw new Error('crash'); }, 50); });`;

test('the only worker leaves and its program closes its server: who connects then waits for the next', async () => {
  const tsgun = await startProgram(closing, ['--drain-linger', '0']).ready();
  const [worker] = tsgun.workers() as [number];
  process.kill(worker, 'SIGTERM');
  await askUntilReplaced(tsgun.address, worker);
  expect(tsgun.records('listening')).toHaveLength(1);
});

test('the only worker crashes and its program closes its server first: the same', async () => {
  const tsgun = await startProgram(closing).ready();
  const [worker] = tsgun.workers() as [number];
  await tsgun.get('/crash');
  await askUntilReplaced(tsgun.address, worker);
  expect(await tsgun.waitFor('exited')).toMatchObject({ pid: worker, code: 1 });
  expect(tsgun.records('listening')).toHaveLength(1);
});

/** Asks again and again on fresh connections, none of which may be refused or reset, until another worker answers. */
async function askUntilReplaced(address: string, worker: number): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; await sleep(10)) {
    const { body } = await get(address);
    if (body !== `main ${worker}`) return;
    expect(Date.now()).toBeLessThan(deadline);
  }
}

test('kill -9 of the only worker while clients connect: those it had not accepted are served by the next', async () => {
  const tsgun = await startProgram(`http.createServer(answer('main')).listen(0, '127.0.0.1');`).ready();
  const [worker] = tsgun.workers() as [number];
  process.kill(worker, 'SIGSTOP'); // it accepts nothing any more
  const visitors = await Promise.all(Array.from({ length: 20 }, () => openKeepAlive(tsgun.address)));
  const answers = visitors.map((visitor) => visitor.request('/'));
  process.kill(worker, 'SIGKILL');
  for (const answer of await Promise.all(answers)) {
    expect(answer.body).toMatch(/^main \d+$/);
    expect(answer.body).not.toBe(`main ${worker}`);
  }
});
