/** The forms of --bind, and what becomes of the files of unix sockets. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { register } from '../helpers/cleanup.ts';
import { get } from '../helpers/http.ts';
import { listeningPorts, portListens, until } from '../helpers/proc.ts';
import { freePort, runBare, said, startProgram } from '../helpers/program.ts';
import { MARKER, Tsgun } from '../helpers/running.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';
import { program, runtimeEnvironment, startTsgun, testNode } from '../helpers/tsgun.ts';

const start = (...binds: string[]) =>
  startTsgun(['app.js', '-w', '2', ...binds.flatMap((bind) => ['-b', bind])], { cwd: tempApp(hello) });

test('PORT alone is every IPv4 address, HOST:PORT one', async () => {
  const [wide, narrow] = [await freePort('0.0.0.0'), await freePort()];
  const tsgun = await start(String(wide), `127.0.0.1:${narrow}`).ready(2);
  await tsgun.waitFor('listening', { count: 2 });
  expect(tsgun.addresses().sort()).toEqual([`0.0.0.0:${wide}`, `127.0.0.1:${narrow}`].sort());
  for (const address of [`127.0.0.1:${wide}`, `127.0.0.2:${wide}`, `127.0.0.1:${narrow}`]) {
    expect((await get(address)).status).toBe(200);
  }
  await expect(get(`127.0.0.2:${narrow}`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect((await tsgun.stop()).code).toBe(0);
  expect(portListens(wide) || portListens(narrow)).toBe(false);
});

test('tcp:// and an IPv6 address', async () => {
  const tsgun = await start('tcp://[::1]:0').ready(2);
  expect(tsgun.address).toMatch(/^\[::1\]:\d+$/);
  expect((await tsgun.get()).status).toBe(200);
  expect(String(tsgun.records('listening')[0]?.url)).toBe(`http://${tsgun.address}`);
});

test('localhost is both families on one port', async () => {
  const tsgun = await start('localhost:0').ready(2);
  await tsgun.waitFor('listening', { count: 2 });
  const [port] = listeningPorts(tsgun.pid);
  expect(tsgun.addresses().sort()).toEqual([`127.0.0.1:${port}`, `[::1]:${port}`]);
  for (const address of tsgun.addresses()) expect((await get(address)).status).toBe(200);
});

test('both wildcards on one port', async () => {
  const port = await freePort('::');
  const tsgun = await start(`0.0.0.0:${port}`, `[::]:${port}`).ready(2);
  await tsgun.waitFor('listening', { count: 2 });
  for (const address of [`127.0.0.1:${port}`, `[::1]:${port}`]) expect((await get(address)).status).toBe(200);
});

/** Somebody else, on a path. */
async function otherServer(path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {}).end('HTTP/1.0 200 OK\r\n\r\nother');
  }).listen(path);
  await once(server, 'listening');
  return server;
}

/** A tsgun that inherits the listening socket of the test as descriptor 3. */
async function startWithSocket(server: Server, args: string[], source: string): Promise<Tsgun> {
  const marker = randomUUID();
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
  const child = spawn(testNode, [program, '--log-format', 'json', 'app.js', ...args], {
    cwd: tempApp(source),
    env: { PATH: process.env.PATH, ...runtimeEnvironment(), [MARKER]: marker },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', fd],
  });
  const tsgun = new Tsgun(child, marker, true);
  register(tsgun);
  return tsgun.ready(2);
}

test.for(['tcp', 'unix'])('fd://3, a %s socket that somebody else has bound', async (kind) => {
  const [bound, path] = ['bound.sock', 'a.sock'].map((name) => join(tempDir(), name)) as [string, string];
  const server = kind === 'tcp' ? createServer().listen(0, '127.0.0.1') : createServer().listen(bound);
  await once(server, 'listening');
  const tsgun = await startWithSocket(server, ['-b', 'fd://3', '-w', '2'], hello);
  const address = kind === 'tcp' ? `127.0.0.1:${(server.address() as { port: number }).port}` : `unix:${path}`;
  if (kind === 'unix') renameSync(bound, path); // libuv unlinks the name at close
  server.close();
  await once(server, 'close');
  expect(tsgun.workers().map(String)).toContain((await get(address)).body);
  if (kind === 'tcp') expect(tsgun.address).toBe(address);
  expect((await tsgun.stop()).code).toBe(0);
});

test('a unix socket: its mode is --socket-mode before anybody can connect, its file is gone after TERM', async () => {
  for (const [args, mode] of [
    [[], 0o660],
    [['--socket-mode', '0600'], 0o600],
    [['--socket-mode', '666'], 0o666],
  ] as const) {
    const dir = tempDir();
    const path = join(dir, 'a.sock');
    const tsgun = startTsgun(['app.js', '-b', `unix:${path}`, ...args], { cwd: tempApp(hello) });
    await until(() => existsSync(path), 'the socket');
    expect(statSync(path).mode & 0o777).toBe(mode);
    expect((await get(`unix:${path}`)).status).toBe(200);
    expect(readdirSync(dir)).toEqual(['a.sock']);
    tsgun.signal('SIGTERM');
    expect((await tsgun.exit).code).toBe(0);
    expect(readdirSync(dir)).toEqual([]);
  }
});

test('a program that listens on a path: it is there when listen() returns, may be changed, and is gone after TERM', async () => {
  const path = join(tempDir(), 'a.sock');
  const source = `const fs = require('node:fs'), path = ${JSON.stringify(path)};
    const mode = () => (fs.statSync(path).mode & 0o777).toString(8);
    const server = http.createServer(answer('main')).listen(path, () => {
      fs.chmodSync(path, 0o640);
      say(server.address(), mode());
    });
    say(server.address(), fs.existsSync(path));`;
  const tsgun = await startProgram(source).ready();
  expect(said(tsgun)).toEqual([
    [path, true],
    [path, '640'],
  ]);
  expect((await get(`unix:${path}`)).body).toMatch(/^main /);
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect((await tsgun.stop()).code).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test.for([
  ['readableAll: true, writableAll: true', 0o666],
  ['readableAll: true', 0o664],
  ['writableAll: true', 0o662],
] as const)('listen({ path, %s })', async ([option, mode]) => {
  const path = join(tempDir(), 'a.sock');
  const source = `http.createServer(answer('main')).listen({ path: ${JSON.stringify(path)}, ${option} });`;
  await startProgram(source, ['-w', '2']).ready(2);
  await until(
    () => (statSync(path).mode & 0o777) === mode,
    () => `mode ${mode.toString(8)}, not ${(statSync(path).mode & 0o777).toString(8)}`,
  );
  expect((await get(`unix:${path}`)).body).toMatch(/^main /);
});

test('a program that asks for a path on which somebody listens gets the error of bare Node', async () => {
  const path = join(tempDir(), 'a.sock');
  const other = await otherServer(path);
  const source = `http.createServer(answer('main')).listen(0, '127.0.0.1');
    http.createServer().on('error', ({ message, ...rest }) => say(message, rest)).listen(${JSON.stringify(path)});`;
  const tsgun = await startProgram(source).ready();
  await until(() => said(tsgun).length > 0, 'the error');
  expect(said(tsgun)).toEqual(runBare(source));
  expect((await get(`unix:${path}`)).body).toBe('other');
  other.close();
});

test.for(['bound', 'asked for by the program'])(
  'a stale socket that a killed tsgun has left is replaced: %s',
  async (how) => {
    const path = join(tempDir(), 'a.sock');
    const source = `http.createServer(answer('main')).listen(${JSON.stringify(path)});`;
    const again = () => (how === 'bound' ? start(`unix:${path}`) : startProgram(source, ['-w', '2'])).ready(2);
    const killed = await again();
    killed.killAll();
    await killed.exit;
    await until(() => killed.family().length === 0, 'all of it gone');
    expect(statSync(path).isSocket()).toBe(true);
    expect((await (await again()).get()).status).toBe(200);
  },
);

test('the file of another process that has replaced ours is left alone', async () => {
  const dir = tempDir();
  const path = join(dir, 'a.sock');
  const tsgun = await start(`unix:${path}`).ready(2);
  const other = await otherServer(join(dir, 'other.sock'));
  renameSync(join(dir, 'other.sock'), path);
  expect((await tsgun.stop()).code).toBe(0);
  expect((await get(`unix:${path}`)).body).toBe('other');
  other.close();
});

test('two masters that start together for one unix path: exactly one gets it', async () => {
  for (let round = 0; round < 3; round++) {
    const dir = tempDir();
    const path = join(dir, 'a.sock');
    const both = [start(`unix:${path}`), start(`unix:${path}`)];
    const loser = await Promise.race(both.map((each) => each.exit.then(() => each)));
    const winner = both.find((each) => each !== loser) as Tsgun;
    expect(loser.ended).toEqual({ code: 1, signal: null });
    expect(loser.stderr()).toContain(`cannot bind unix:${path}`);
    await winner.ready(2);
    expect(winner.workers().map(String)).toContain((await get(`unix:${path}`)).body);
    expect(readdirSync(dir)).toEqual(['a.sock']);
    expect((await winner.stop()).code).toBe(0);
    expect(readdirSync(dir)).toEqual([]);
  }
});

test('two masters that start together for one port: exactly one gets it', async () => {
  const port = await freePort();
  const both = [start(`127.0.0.1:${port}`), start(`127.0.0.1:${port}`)];
  const loser = await Promise.race(both.map((each) => each.exit.then(() => each)));
  const winner = both.find((each) => each !== loser) as Tsgun;
  expect(loser.ended).toEqual({ code: 1, signal: null });
  expect(loser.stderr()).toContain(`127.0.0.1:${port}`);
  await winner.ready(2);
  for (let i = 0; i < 10; i++) expect(winner.workers().map(String)).toContain((await get(`127.0.0.1:${port}`)).body);
});
