/** What a running instance says of itself, at its control socket and to probes; and what clients cannot do to it. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hello, slow } from '../helpers/apps.ts';
import { askControl, controlSocket, startControlled, statusAt } from '../helpers/control.ts';
import { get, openKeepAlive } from '../helpers/http.ts';
import { until, waitGone } from '../helpers/proc.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test('GET /status: every field of the schema, and nothing else', async () => {
  const tsgun = startControlled(hello, ['-w', '2', '-n', 'shop']);
  const path = await controlSocket(tsgun);
  await tsgun.ready(2);
  const status = await statusAt(path);
  expect(status).toEqual({
    version: 1,
    name: 'shop',
    pid: tsgun.pid,
    tsgun: expect.stringMatching(/^\d+\.\d+\.\d+/),
    node: expect.stringMatching(/^v\d+\.\d+\.\d+/),
    startedAt: expect.stringMatching(isoTime),
    ready: true,
    state: 'serving',
    generation: 1,
    goal: 2,
    capacity: { serving: 2, of: 2 },
    addresses: [tsgun.address],
    workers: tsgun.workers().map((pid, index) => ({
      id: index + 1,
      slot: index,
      pid,
      generation: 1,
      stage: 'serving',
      ageMs: expect.any(Number),
    })),
  });
  expect(Math.abs(Date.now() - Date.parse(status.startedAt))).toBeLessThan(30_000);
  const [worker] = status.workers;
  expect(Number.isInteger(worker?.ageMs)).toBe(true);
  await until(async () => (await statusAt(path)).workers[0]!.ageMs > worker!.ageMs, 'the worker should grow older');
});

test('the last death that nobody asked for, with its cause; and how many serve meanwhile', async () => {
  const dies = `module.exports = (req, res) => {
    if (req.url === '/die') setImmediate(() => { throw new Error('out of paint'); });
    res.end('ok');
  };`;
  const tsgun = startControlled(dies, ['-w', '1']);
  const path = await controlSocket(tsgun);
  await tsgun.ready();
  const [pid] = tsgun.workers();
  expect(await statusAt(path)).not.toHaveProperty('lastDeath');
  await tsgun.get('/die');
  await tsgun.waitFor('exited');
  const { lastDeath } = await statusAt(path);
  expect(lastDeath).toEqual({
    worker: 1,
    slot: 0,
    pid,
    generation: 1,
    cause: 'Error: out of paint',
    at: expect.stringMatching(isoTime),
  });
  await tsgun.waitFor('serving', { count: 2 });
  await tsgun.get('/die');
  await tsgun.waitFor('exited', { count: 2 });
  const status = await statusAt(path);
  expect(status).toMatchObject({ ready: false, state: 'serving', capacity: { serving: 0, of: 1 } });
  expect(status.capacity.reason).toMatch(/^slot 0: 2 failures in a row, next try in \d+\.\d s$/);
  expect(await askControl(path, '/readyz')).toEqual([503, { ready: false }]);
  expect(await askControl(path, '/healthz')).toEqual([200, { healthy: true }]);
});

test('the socket is for its owner alone, whatever the umask, and is gone after the end', async () => {
  const runtime = tempDir();
  const tsgun = startControlled(hello, ['--umask', '0'], { env: { XDG_RUNTIME_DIR: runtime } });
  const path = await controlSocket(tsgun);
  expect(path).toBe(join(runtime, 'tsgun', `app.js.${tsgun.pid}.sock`));
  expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
  expect(readdirSync(join(runtime, 'tsgun'))).toEqual([`app.js.${tsgun.pid}.sock`]);
  await tsgun.stop();
  expect(readdirSync(join(runtime, 'tsgun'))).toEqual([]);
});

test('systemd gives the folder: $RUNTIME_DIRECTORY comes before the session', async () => {
  const [service, session] = [tempDir(), tempDir()];
  const env = { RUNTIME_DIRECTORY: `${service}:/elsewhere`, XDG_RUNTIME_DIR: session };
  const tsgun = startControlled(hello, ['-n', '../odd name'], { env });
  expect(await controlSocket(tsgun)).toBe(join(service, `odd-name.${tsgun.pid}.sock`));
  expect(readdirSync(session)).toEqual([]);
});

test('what is not served is refused in JSON', async () => {
  const path = await controlSocket(startControlled(hello));
  const [missing, body] = await askControl(path, '/nope?x=1');
  expect([missing, body]).toEqual([404, { error: expect.stringContaining('/nope'), routes: expect.any(Array) }]);
  for (const [method, route] of [
    ['POST', '/status'],
    ['GET', '/reload'],
    ['DELETE', '/healthz'],
  ] as const) {
    const answer = await get(`unix:${path}`, route, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers).toMatchObject({ allow: route === '/reload' ? 'POST' : 'GET, HEAD' });
    expect(JSON.parse(answer.body.toString())).toEqual({ error: expect.stringContaining(method) });
  }
  expect(await askControl(path, '/status', 'HEAD')).toEqual([200, undefined]);
});

/** Loads when the file `go` is there. */
const waits = `const { existsSync } = require('node:fs');
  module.exports = () => new Promise((resolve) => {
    const timer = setInterval(() => {
      if (!existsSync('go')) return;
      clearInterval(timer);
      resolve((req, res) => { console.error('app: asked'); setTimeout(() => res.end('ok'), 1500); });
    }, 20);
  });`;

test('probes by TCP: alive from the first moment, ready while a worker serves and no stop has begun', async () => {
  const cwd = tempApp(waits);
  const tsgun = startControlled('', ['--admin', '127.0.0.1:0', '--admin', 'localhost:0'], { cwd });
  const admin = String((await tsgun.waitFor('admin')).address);
  const probe = async (route: string) => (await get(admin, route)).status;
  expect([await probe('/healthz'), await probe('/readyz')]).toEqual([200, 503]);
  const path = await controlSocket(tsgun);
  expect(await statusAt(path)).toMatchObject({
    ready: false,
    state: 'starting',
    capacity: { serving: 0, of: 1, reason: '1 worker boots' },
    workers: [{ id: 1, stage: 'booting' }],
  });
  writeFileSync(join(cwd, 'go'), '');
  await tsgun.ready();
  expect([await probe('/healthz'), await probe('/readyz')]).toEqual([200, 200]);
  for (const { address } of tsgun.records('admin')) expect((await get(String(address), '/readyz')).status).toBe(200);
  for (const route of ['/status', '/reload', '/']) expect(await probe(route)).toBe(404);
  expect((await get(admin, '/reload', { method: 'POST' })).status).toBe(404);

  const answer = tsgun.get('/');
  await tsgun.waitFor(/app: asked/);
  tsgun.signal('SIGTERM');
  await tsgun.waitFor('stop');
  expect([await probe('/healthz'), await probe('/readyz')]).toEqual([200, 503]);
  expect(await statusAt(path)).toMatchObject({
    ready: false,
    state: 'stopping',
    workers: [{ stage: 'draining', reason: 'SIGTERM' }],
  });
  expect((await answer).status).toBe(200);
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(existsSync(path)).toBe(false);
  await expect(get(admin, '/healthz')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('an address of --admin that is taken: exit 1, and no worker was started', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const tsgun = startControlled(hello, ['--admin', `127.0.0.1:${port}`]);
  expect(await tsgun.exit).toEqual({ code: 1, signal: null });
  expect(tsgun.stderr()).toMatch(new RegExp(`--admin: cannot bind 127.0.0.1:${port}: the address is in use .*--admin`));
  expect(tsgun.stderr()).not.toContain('"spawn"');
  server.close();
});

test('--control-socket off: none, and not a word about it', async () => {
  const runtime = tempDir();
  const tsgun = startControlled(hello, ['--control-socket', 'off'], { env: { XDG_RUNTIME_DIR: runtime } });
  await tsgun.ready();
  await tsgun.stop();
  expect(tsgun.records('control')).toEqual([]);
  expect(readdirSync(runtime)).toEqual([]);
});

test('a control socket that cannot be made is one line, and the application is served', async () => {
  const folder = tempDir();
  writeFileSync(join(folder, 'file'), 'mine');
  const taken = createServer().listen(join(folder, 'taken'));
  await once(taken, 'listening');
  for (const [path, why] of [
    [join(folder, 'none', 'x'), /ENOENT/],
    [join(folder, 'file'), /no socket/],
    [join(folder, 'taken'), /EADDRINUSE/],
    [join(folder, 'x'.repeat(120)), /bytes/],
  ] as const) {
    const tsgun = startControlled(hello, ['--control-socket', path]);
    const line = await tsgun.waitFor('control');
    expect(line).toMatchObject({ level: 'info', path, cause: expect.stringMatching(why) });
    await tsgun.ready();
    expect((await tsgun.get()).status).toBe(200);
    await tsgun.stop();
    expect(tsgun.records('control')).toHaveLength(1);
  }
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('mine');
  expect(readdirSync(folder).sort()).toEqual(['file', 'taken']);
  taken.close();
});

test('what a killed master leaves is cleaned by the next one, in the folder and at a path of its own', async () => {
  const runtime = tempDir();
  const own = join(tempDir(), 'own.sock');
  const env = { XDG_RUNTIME_DIR: runtime };
  for (const args of [[], ['--control-socket', own]]) {
    const first = startControlled(hello, args, { env });
    const left = await controlSocket(first);
    await first.ready();
    const workers = first.workers();
    first.signal('SIGKILL');
    await first.exit;
    for (const pid of workers) await waitGone(pid);
    expect(existsSync(left)).toBe(true);
    const next = startControlled(hello, args, { env });
    const path = await controlSocket(next);
    expect((await statusAt(path)).pid).toBe(next.pid);
    if (left !== path) expect(existsSync(left)).toBe(false);
    await next.stop();
    expect(existsSync(path)).toBe(false);
  }
});

test('clients that are slow, endless, garbled or many disturb neither the master nor other clients', async () => {
  const tsgun = startControlled(slow, ['--admin', '127.0.0.1:0']);
  const path = await controlSocket(tsgun);
  await tsgun.ready();
  const targets = [`unix:${path}`, String((await tsgun.waitFor('admin')).address)];
  for (const target of targets) {
    const crowd = await Promise.all(Array.from({ length: 150 }, () => openKeepAlive(target)));
    for (const [index, client] of crowd.entries())
      if (index % 2 === 0) client.write('GET /status HTTP/1.1\r\nX-Slow: ');
    expect((await get(target, '/healthz')).status).toBe(200);
    expect((await get(target, '/readyz')).status).toBe(200);

    const garbled = await openKeepAlive(target);
    garbled.write('\x16\x03\x01 no http at all\r\n\r\n');
    await garbled.closed;
    expect(garbled.received).toMatch(/^HTTP\/1\.1 400 /);
    const longHead = await openKeepAlive(target);
    longHead.write(`GET /status HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`);
    await longHead.closed;
    const endless = await openKeepAlive(target);
    endless.socket.on('error', () => {});
    endless.write('POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let sent = 0; sent < 200 && !endless.ended; sent++) endless.write(`400\r\n${'z'.repeat(1024)}\r\n`);
    await endless.closed;
    const leaves = await openKeepAlive(target);
    leaves.write('POST /reload HTTP/1.1\r\nHost: x\r\n\r\n');
    leaves.destroy();

    await Promise.all(crowd.map((client) => client.closed));
    expect((await get(target, '/healthz')).status).toBe(200);
  }
  expect((await statusAt(path)).workers).toHaveLength(1);
  expect((await tsgun.get('/')).status).toBe(200);
  expect(tsgun.records().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
});
