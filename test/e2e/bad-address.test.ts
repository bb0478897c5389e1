/** Addresses, socket files and pid files that somebody else has, or had. */
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { get } from '../helpers/http.ts';
import { alive, portListens } from '../helpers/proc.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';

async function listening(where: { port?: number; host?: string; path?: string }): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {}); // who only looks whether somebody listens may reset
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother');
  });
  await new Promise<void>((resolve) => server.listen(where, resolve));
  onTestFinished(() => void server.close());
  return server;
}

/** A port that somebody else has. */
async function takenPort(): Promise<number> {
  const address = (await listening({ port: 0, host: '127.0.0.1' })).address();
  return (address as { port: number }).port;
}

/** A socket file that nobody listens on any more. */
async function staleSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.old`);
  await new Promise((resolve) => server.once('listening', resolve));
  renameSync(`${path}.old`, path); // so that closing does not remove it
  await new Promise((resolve) => server.close(resolve));
}

test('a port that is in use: exit 1 with the address, before any worker is forked', async () => {
  const port = await takenPort();
  const tsgun = startTsgun(['app.js', '-w', '2', '-b', `127.0.0.1:${port}`], { cwd: tempApp(hello) });
  expect(await tsgun.exit).toEqual({ code: 1, signal: null });
  expect(tsgun.stderr()).toMatch(new RegExp(`127\\.0\\.0\\.1:${port}.*(in use|EADDRINUSE)`));
  expect(tsgun.records('serving')).toEqual([]);
  expect(tsgun.stderr().trimEnd().split('\n').length).toBeLessThanOrEqual(2);
});

test('of two addresses the second is in use: the first is not left bound', async () => {
  const port = await takenPort();
  const path = join(tempDir(), 'a.sock');
  const tsgun = startTsgun(['app.js', '-b', `unix:${path}`, '-b', `127.0.0.1:${port}`], { cwd: tempApp(hello) });
  expect((await tsgun.exit).code).toBe(1);
  expect(existsSync(path)).toBe(false);
});

test.for([
  ['a directory that is missing', 'unix:none/of/these/a.sock', /none\/of\/these/],
  ['an address that is not this machine', '192.0.2.1:0', /192\.0\.2\.1/],
  ['a host that does not exist', 'no-such-host.invalid:8000', /no-such-host\.invalid/],
  ['a path that is too long for a socket', `unix:/tmp/${'x'.repeat(120)}`, /107/],
  ['a port that is no port', '127.0.0.1:99999', /99999/],
] as const)('%s: refused in one line', async ([, address, text]) => {
  const tsgun = startTsgun(['app.js', '-b', address], { cwd: tempApp(hello), json: false });
  expect([1, 2]).toContain((await tsgun.exit).code);
  expect(tsgun.stderr()).toMatch(text);
  expect(tsgun.stderr()).not.toMatch(/^\s+at /m);
  expect(tsgun.stderr()).not.toMatch(/booting worker/);
});

test('a port in use on demand is an error of the application, which may take another', async () => {
  const port = await takenPort();
  const app = `const server = require('node:http').createServer((req, res) => res.end('mine'));
    server.on('error', (error) => {
      console.error('app saw', error.code, error.syscall, error.port);
      server.listen(0, '127.0.0.1');
    });
    server.listen(${port}, '127.0.0.1');`;
  const tsgun = startTsgun(['app.js'], { cwd: tempApp(app) });
  await tsgun.ready();
  expect(tsgun.stderr()).toContain(`app saw EADDRINUSE listen ${port}`);
  const address = tsgun.addresses().at(-1) as string;
  expect(address).not.toBe(`127.0.0.1:${port}`);
  expect((await get(address)).body).toBe('mine');
  expect((await tsgun.stop()).code).toBe(0);
});

test('a port in use on demand that the application does not expect: it fails to boot', async () => {
  const port = await takenPort();
  const app = `require('node:http').createServer().listen(${port}, '127.0.0.1');`;
  const tsgun = startTsgun(['app.js', '-w', '2'], { cwd: tempApp(app) });
  expect([1, 3]).toContain((await tsgun.exit).code);
  expect(tsgun.stderr()).toMatch(new RegExp(`EADDRINUSE.*${port}`));
});

test('a unix socket: mode 0660, removed at the end', async () => {
  const path = join(tempDir(), 'a.sock');
  const tsgun = await startTsgun(['app.js', '-b', `unix:${path}`], { cwd: tempApp(hello) }).ready();
  expect(statSync(path).mode & 0o777).toBe(0o660);
  expect((await get(`unix:${path}`)).status).toBe(200);
  expect((await tsgun.stop()).code).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test('a stale unix socket is replaced', async () => {
  const path = join(tempDir(), 'a.sock');
  await staleSocket(path);
  expect(statSync(path).isSocket()).toBe(true);
  const tsgun = await startTsgun(['app.js', '-b', `unix:${path}`], { cwd: tempApp(hello) }).ready();
  expect((await get(`unix:${path}`)).status).toBe(200);
  expect((await tsgun.stop()).code).toBe(0);
});

test('a live unix socket is never stolen', async () => {
  const path = join(tempDir(), 'a.sock');
  await listening({ path });
  const tsgun = startTsgun(['app.js', '-b', `unix:${path}`], { cwd: tempApp(hello) });
  expect((await tsgun.exit).code).toBe(1);
  expect(tsgun.stderr()).toContain(path);
  expect((await get(`unix:${path}`)).body).toBe('other');
});

test('a file that is no socket is never replaced', async () => {
  const path = join(tempDir(), 'a.sock');
  writeFileSync(path, 'precious');
  const tsgun = startTsgun(['app.js', '-b', `unix:${path}`], { cwd: tempApp(hello) });
  expect((await tsgun.exit).code).toBe(1);
  expect(tsgun.stderr()).toContain(path);
  expect(readFileSync(path, 'utf8')).toBe('precious');
});

test('a socket file that has become somebody else’s is not removed at the end', async () => {
  const path = join(tempDir(), 'a.sock');
  const tsgun = await startTsgun(['app.js', '-b', `unix:${path}`], { cwd: tempApp(hello) }).ready();
  rmSync(path);
  await listening({ path });
  expect((await tsgun.stop()).code).toBe(0);
  expect((await get(`unix:${path}`)).body).toBe('other');
});

test('the pid file: written with the master’s pid, removed at the end', async () => {
  const path = join(tempDir(), 'a.pid');
  const tsgun = await startTsgun(['app.js', '-b', '127.0.0.1:0', '--pid', path], { cwd: tempApp(hello) }).ready();
  expect(readFileSync(path, 'utf8')).toBe(`${tsgun.pid}\n`);
  expect((await tsgun.stop()).code).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test('a live pid file: exit 1, and the other instance is untouched', async () => {
  const path = join(tempDir(), 'a.pid');
  const first = await startTsgun(['app.js', '-b', '127.0.0.1:0', '--pid', path], { cwd: tempApp(hello) }).ready();
  const second = startTsgun(['app.js', '-b', '127.0.0.1:0', '--pid', path], { cwd: tempApp(hello) });
  expect((await second.exit).code).toBe(1);
  expect(second.stderr()).toContain(String(first.pid));
  expect(readFileSync(path, 'utf8')).toBe(`${first.pid}\n`);
  expect((await first.get()).status).toBe(200);
});

test('a stale pid file is replaced: of a dead process, of one that is no tsgun, or empty', async () => {
  let dead = 4_000_000;
  while (alive(dead)) dead++;
  for (const content of [`${dead}\n`, `${process.pid}\n`, '']) {
    const path = join(tempDir(), 'a.pid');
    writeFileSync(path, content);
    const tsgun = await startTsgun(['app.js', '-b', '127.0.0.1:0', '--pid', path], { cwd: tempApp(hello) }).ready();
    expect(readFileSync(path, 'utf8')).toBe(`${tsgun.pid}\n`);
    expect((await tsgun.stop()).code).toBe(0);
  }
});

test('a file that is no pid file is neither overwritten nor removed', async () => {
  const path = join(tempDir(), 'notes.txt');
  writeFileSync(path, 'not to be lost');
  const tsgun = startTsgun(['app.js', '-b', '127.0.0.1:0', '--pid', path], { cwd: tempApp(hello) });
  expect((await tsgun.exit).code).toBe(1);
  expect(tsgun.stderr()).toMatch(/notes\.txt is no pid file/);
  expect(readFileSync(path, 'utf8')).toBe('not to be lost');
});

test.for([
  ['127.0.0.1:39007', '127.0.0.1:39007'],
  ['*:39008', '0.0.0.0:39008'],
])('%s and %s: refused before anything is bound', async ([one, other]) => {
  const tsgun = startTsgun(['app.js', '-b', one!, '-b', other!], { cwd: tempApp(hello) });
  expect((await tsgun.exit).code).toBe(1);
  expect(tsgun.stderr()).toMatch(/^tsgun: cannot bind .*(twice|beside)/);
});

test('a pid file that has become somebody else’s is not removed at the end', async () => {
  const path = join(tempDir(), 'a.pid');
  const tsgun = await startTsgun(['app.js', '-b', '127.0.0.1:0', '--pid', path], { cwd: tempApp(hello) }).ready();
  writeFileSync(path, '1\n');
  expect((await tsgun.stop()).code).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe('1\n');
});

test('a pid file that cannot be written: exit 1, nothing is left listening', async () => {
  const port = await takenPort().then(async (taken) => taken + 1);
  const tsgun = startTsgun(['app.js', '-b', `127.0.0.1:${port}`, '--pid', '/none/of/these/a.pid'], {
    cwd: tempApp(hello),
  });
  expect((await tsgun.exit).code).toBe(1);
  expect(tsgun.stderr()).toContain('/none/of/these/a.pid');
  expect(portListens(port)).toBe(false);
});
