/** USR2: a new master takes the place of the old one, which loses no request and no socket. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { register } from '../helpers/cleanup.ts';
import { statusAt } from '../helpers/control.ts';
import { get, type Target } from '../helpers/http.ts';
import { LoadClient } from '../helpers/load-client.ts';
import { children, descriptorsOf, listeningPorts, portListens, until } from '../helpers/proc.ts';
import { freePort, prelude, said } from '../helpers/program.ts';
import { needs } from '../helpers/requires.ts';
import { MARKER, Tsgun } from '../helpers/running.ts';
import { tempApp, tempDir, writeApp } from '../helpers/temp.ts';
import { program, startTsgun, testNode } from '../helpers/tsgun.ts';
import { beginUpgrade, follow, heldApp, stopMaster, upgrade, usual } from '../helpers/upgrade.ts';

/** Visitors who keep their connections and visitors who do not. */
function visit(...targets: Target[]): LoadClient[] {
  const loads = targets.flatMap((target) => [
    new LoadClient({ target, connections: 4, thinkMs: 20 }),
    new LoadClient({ target, connections: 2, thinkMs: 10, keepAlive: false }),
  ]);
  onTestFinished(() => void Promise.all(loads.map((load) => load.stop())));
  return loads;
}

async function expectNothingLost(loads: LoadClient[]): Promise<void> {
  for (const load of loads) {
    const { examples, failures, ok } = await load.stop();
    expect(examples).toEqual([]);
    expect(failures).toBe(0);
    expect(ok).toBeGreaterThan(50);
  }
}

async function upgradeTimes(tsgun: Tsgun, times: number): Promise<number> {
  let master = tsgun.pid;
  for (let time = 0; time < times; time++) ({ pid: master } = await upgrade(tsgun, master));
  return master;
}

test.for(['127.0.0.1:0', '[::1]:0', 'localhost:0'])('five upgrades in a row under load at %s', async (bind) => {
  const tsgun = await startTsgun([...usual, '-b', bind], { cwd: tempApp(hello) }).ready(2);
  const ports = listeningPorts(tsgun.pid);
  const loads = visit(...new Set(tsgun.addresses()));
  const master = await upgradeTimes(tsgun, 5);
  await expectNothingLost(loads);
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(listeningPorts(master)).toEqual(ports);
  await stopMaster(master);
  expect(ports.some(portListens)).toBe(false);
});

test('five upgrades in a row under load at a unix socket: its file stays, and goes with the last master', async () => {
  const cwd = tempApp(hello);
  const path = join(cwd, 'app.sock');
  const tsgun = await startTsgun([...usual, '-b', `unix:${path}`], { cwd }).ready(2);
  const { ino } = statSync(path);
  const loads = visit(`unix:${path}`);
  const master = await upgradeTimes(tsgun, 5);
  await expectNothingLost(loads);
  expect(statSync(path).ino).toBe(ino);
  expect((await get(`unix:${path}`)).status).toBe(200);
  await stopMaster(master);
  expect(readdirSync(cwd)).toEqual(['app.js']);
});

test('sockets that a program asked for are the same after the upgrade', async () => {
  const source = `
    http.createServer(answer('main')).listen(0, '127.0.0.1', function () { say('main', this.address().port); });
    http.createServer(answer('metrics')).listen(0, '127.0.0.1', function () { say('metrics', this.address().port); });
    http.createServer(answer('unix')).listen('own.sock');`;
  const cwd = tempDir();
  writeApp(cwd, prelude + source);
  const tsgun = await startTsgun(usual, { cwd }).ready(2);
  const ports = Object.fromEntries(said(tsgun)) as Record<string, number>;
  const targets = [`127.0.0.1:${ports.main}`, `127.0.0.1:${ports.metrics}`, `unix:${join(cwd, 'own.sock')}`];
  const { ino } = statSync(join(cwd, 'own.sock'));
  const loads = visit(...targets);
  const master = await upgradeTimes(tsgun, 2);
  await expectNothingLost(loads);
  expect(new Set(said(tsgun).map(String)).size).toBe(2);
  expect(statSync(join(cwd, 'own.sock')).ino).toBe(ino);
  const bodies = await Promise.all(targets.map((target) => get(target)));
  expect(bodies.map(({ body }) => body.split(' ')[0])).toEqual(['main', 'metrics', 'unix']);
  await stopMaster(master);
  expect(readdirSync(cwd)).toEqual(['app.js']);
});

/** How many sockets a process has. */
function sockets(pid: number): number {
  return [...descriptorsOf(pid).values()].filter((target) => target.startsWith('socket:')).length;
}

test('while both live, the new master has a pid file of its own, and workers know nothing of the upgrade', async () => {
  const { cwd, hold, release } = heldApp();
  const tsgun = await startTsgun([...usual, '-b', '127.0.0.1:0', '-p', 'pid'], { cwd }).ready(2);
  const pidIn = (name: string) => Number(readFileSync(join(cwd, name), 'utf8'));
  const before = tsgun.workers().map(sockets);
  hold();
  const pid = await beginUpgrade(tsgun);
  await tsgun.waitFor(({ event, master }) => event === 'spawn' && master === pid);
  expect([pidIn('pid'), pidIn('pid.2')]).toEqual([tsgun.pid, pid]);
  release();
  await tsgun.waitFor('takeover');
  await tsgun.exit;
  expect(pidIn('pid')).toBe(pid);
  const workers = children(pid);
  expect(workers).toHaveLength(2);
  for (const worker of workers) {
    expect(readFileSync(`/proc/${worker}/environ`, 'latin1')).not.toContain('TSGUN_UPGRADE');
  }
  expect(workers.map(sockets)).toEqual(before);
  await stopMaster(pid);
  expect(readdirSync(cwd).filter((name) => name.startsWith('pid'))).toEqual([]);
});

test('addresses that the new configuration has no more are closed, others are bound', async () => {
  const cwd = tempApp({ 'app.js': hello });
  const bind = (...binds: string[]) => writeFileSync(join(cwd, 'tsgun.config.json'), JSON.stringify({ bind: binds }));
  bind('127.0.0.1:0', 'unix:old.sock', '[::1]:0');
  const tsgun = await startTsgun(usual, { cwd }).ready(2);
  await tsgun.waitFor('listening', { count: 3 });
  const [port, v6] = ['127.0.0.1', '[::1]'].map((host) =>
    Number(
      tsgun
        .addresses()
        .find((address) => address.startsWith(host))
        ?.slice(host.length + 1),
    ),
  );
  bind(`127.0.0.1:${port}`, 'unix:new.sock');
  const { pid } = await upgrade(tsgun);
  expect(existsSync(join(cwd, 'old.sock'))).toBe(false);
  expect((await get(`unix:${join(cwd, 'new.sock')}`)).status).toBe(200);
  expect((await get(`127.0.0.1:${port}`)).status).toBe(200);
  expect(portListens(v6!)).toBe(false);
  await stopMaster(pid);
  expect(readdirSync(cwd).sort()).toEqual(['app.js', 'tsgun.config.json']);
});

test('fd://3 means the same socket in every master', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const marker = randomUUID();
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const child = spawn(testNode, [program, '--log-format', 'json', ...usual, '-b', 'fd://3'], {
    cwd: tempApp(hello),
    env: { PATH: process.env.PATH, [MARKER]: marker },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', fd],
  });
  const tsgun = new Tsgun(child, marker, true);
  register(tsgun);
  await tsgun.ready(2);
  server.close();
  const loads = visit(`127.0.0.1:${port}`);
  const master = await upgradeTimes(tsgun, 2);
  await expectNothingLost(loads);
  await stopMaster(master);
});

test('a link in the working directory is followed to where it leads now', async () => {
  const base = tempDir();
  for (const release of ['one', 'two']) {
    mkdirSync(join(base, release));
    writeApp(join(base, release), `module.exports = (req, res) => res.end('${release}');`);
    symlinkSync(program, join(base, release, 'tsgun.js'));
  }
  const current = join(base, 'current');
  symlinkSync('one', current);
  const tsgun = await startTsgun([...usual, '-b', '127.0.0.1:0'], {
    cwd: current,
    env: { PWD: current },
    program: 'tsgun.js',
  }).ready(2);
  expect((await tsgun.get()).body).toBe('one');
  symlinkSync('two', join(base, 'next'));
  renameSync(join(base, 'next'), current);
  const { pid } = await upgrade(tsgun);
  expect((await tsgun.get()).body).toBe('two');
  await stopMaster(pid);
});

test('Node itself is the one that its path leads to now', async () => {
  const cwd = tempApp(hello);
  const node = join(cwd, 'node');
  const log = join(cwd, 'log');
  symlinkSync(testNode, node);
  const tsgun = await startTsgun([...usual, '-b', '127.0.0.1:0'], { cwd, node }).ready(2);
  writeFileSync(join(cwd, 'next'), `#!/bin/sh\necho "$@" >>${log}\nexec ${testNode} "$@"\n`, { mode: 0o755 });
  renameSync(join(cwd, 'next'), node);
  const { pid } = await upgrade(tsgun);
  expect(readFileSync(log, 'utf8')).toContain(`${program} --log-format json app.js`);
  await stopMaster(pid);
});

test('a master in a shell of a terminal is upgraded without force', async (context) => {
  const [script] = needs(context, 'script') as [string];
  const cwd = tempApp(hello);
  const marker = randomUUID();
  const line = `"${testNode}" "${program}" --log-format json app.js -b 127.0.0.1:0 -p pid & while [ ! -e done ]; do sleep 0.1; done`;
  const child = spawn(script, ['-qfec', line, '/dev/null'], {
    cwd,
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', [MARKER]: marker },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const outside = new Tsgun(child, marker, false);
  register(outside);
  const record = (event: string, count: number) =>
    until(
      () => outside.stdout().split(`"event":"${event}"`).length > count,
      () => `${event} should come:\n${outside.stdout()}`,
    );
  await record('ready', 1);
  let master = Number(readFileSync(join(cwd, 'pid'), 'utf8'));
  for (const count of [1, 2]) {
    process.kill(master, 'SIGUSR2');
    await record('takeover', count);
    master = Number(readFileSync(join(cwd, 'pid'), 'utf8'));
    follow(master);
    await record('halt', count);
  }
  expect(outside.stdout()).not.toContain('by force');
  await stopMaster(master);
  writeFileSync(join(cwd, 'done'), '');
  expect((await outside.exit).code).toBe(0);
});

test('the control socket at a given path and the address of --admin are handed over', async () => {
  const path = join(tempDir(), 'control.sock');
  const port = await freePort();
  const args = [...usual, '-b', '127.0.0.1:0', '--control-socket', path, '--admin', `127.0.0.1:${port}`];
  const tsgun = await startTsgun(args, { cwd: tempApp(hello) }).ready(2);
  await until(() => existsSync(path), 'the control socket');
  expect((await statusAt(path)).pid).toBe(tsgun.pid);
  const since = tsgun.mark();
  const { pid } = await upgrade(tsgun);
  await tsgun.waitFor('admin', { since });
  await until(() => existsSync(path), 'the control socket of the new master');
  expect((await statusAt(path)).pid).toBe(pid);
  expect((await get(`127.0.0.1:${port}`, '/readyz')).status).toBe(200);
  await stopMaster(pid);
  expect(existsSync(path)).toBe(false);
});
