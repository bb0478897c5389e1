/** USR2 when the new master does not come to serve, or one of both is ended meanwhile. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { LoadClient } from '../helpers/load-client.ts';
import { alive, until, waitGone } from '../helpers/proc.ts';
import type { Tsgun } from '../helpers/running.ts';
import { tempApp } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';
import { beginUpgrade, heldApp, stopMaster, upgrade, usual } from '../helpers/upgrade.ts';

const args = [...usual, '-b', '127.0.0.1:0', '-b', 'unix:app.sock', '-p', 'pid'];

function start(cwd: string, ...more: string[]): Promise<Tsgun> {
  return startTsgun([...args, ...more], { cwd }).ready(2);
}

function visit(tsgun: Tsgun): LoadClient[] {
  const unix = tsgun.addresses().find((address) => address.startsWith('unix:'));
  const loads = [tsgun.url(), unix as string].flatMap((target) => [
    new LoadClient({ target, connections: 3, thinkMs: 20 }),
    new LoadClient({ target, connections: 2, thinkMs: 10, keepAlive: false }),
  ]);
  onTestFinished(() => void Promise.all(loads.map((load) => load.stop())));
  return loads;
}

async function expectNothingLost(loads: LoadClient[]): Promise<void> {
  for (const load of loads) {
    const { examples, failures } = await load.stop();
    expect(examples).toEqual([]);
    expect(failures).toBe(0);
  }
}

/** The old master serves as if nothing had happened, and a later upgrade succeeds. */
async function carriesOn(tsgun: Tsgun, cwd: string, loads: LoadClient[]): Promise<void> {
  expect(existsSync(join(cwd, 'pid.2'))).toBe(false);
  expect(readFileSync(join(cwd, 'pid'), 'utf8')).toBe(`${tsgun.pid}\n`);
  const answered = loads.map((load) => load.result().ok);
  await until(() => loads.every((load, index) => load.result().ok > answered[index]! + 10), 'it should serve on');
  const { pid } = await upgrade(tsgun);
  await expectNothingLost(loads);
  await stopMaster(pid);
  expect(readdirSync(cwd).filter((name) => /pid|sock/.test(name))).toEqual([]);
}

test.for([
  { what: 'the application throws', file: 'app.js', text: 'throw new Error("boom 7");', cause: /boom 7/ },
  {
    what: 'the configuration is broken',
    file: 'tsgun.config.json',
    text: '{"workers": "many"}',
    cause: /tsgun\.config\.json/,
  },
  {
    what: 'an address cannot be bound',
    file: 'tsgun.config.json',
    text: '{"bind": ["127.0.0.1:0", "unix:none/app.sock"]}',
    cause: /cannot bind unix:.*no such directory/,
  },
])('the old master carries on when $what', async ({ file, text, cause }) => {
  const cwd = tempApp({ 'app.js': hello, 'tsgun.config.json': '{"bind": ["127.0.0.1:0", "unix:app.sock"]}' });
  const tsgun = await startTsgun([...usual, '-p', 'pid'], { cwd }).ready(2);
  const loads = visit(tsgun);
  const before = readFileSync(join(cwd, file), 'utf8');
  writeFileSync(join(cwd, file), text);
  const pid = await beginUpgrade(tsgun);
  const failed = await tsgun.waitFor('upgrade-failed');
  expect(failed).toMatchObject({ level: 'error', pid, cause: expect.stringMatching(cause) });
  expect(failed.msg).toMatch(/this one carries on$/);
  writeFileSync(join(cwd, file), before);
  await carriesOn(tsgun, cwd, loads);
});

test('a new master whose workers do not load within --boot-timeout gives up', async () => {
  const { cwd, hold, release } = heldApp();
  const tsgun = await start(cwd, '--boot-timeout', '2');
  const loads = visit(tsgun);
  hold();
  await beginUpgrade(tsgun);
  const { cause } = await tsgun.waitFor('upgrade-failed');
  expect(cause).toMatch(/^exited with code 3 \(.*boot timeout/);
  release();
  await carriesOn(tsgun, cwd, loads);
});

test('a new master that does nothing at all is killed', async () => {
  const cwd = tempApp(hello);
  const tsgun = await start(cwd, '--boot-timeout', '1');
  const loads = visit(tsgun);
  const pid = await beginUpgrade(tsgun);
  process.kill(pid, 'SIGSTOP');
  const { cause } = await tsgun.waitFor('upgrade-failed');
  expect(cause).toBe('was killed by SIGKILL (did not serve within 1 s (--boot-timeout))');
  await carriesOn(tsgun, cwd, loads);
});

test('a new master of which only a part serves is sent away, and what it has begun is answered', async () => {
  const cwd = tempApp({
    'app.mjs': `import { existsSync } from 'node:fs';
      while (existsSync('hold') && process.env.TSGUN_SLOT === '1') await new Promise((done) => setTimeout(done, 10));
      export default (req, res) => setTimeout(() => res.end(String(process.pid)), 30);`,
  });
  const tsgun = await startTsgun(['app.mjs', ...args.slice(1), '--boot-timeout', '2'], { cwd }).ready(2);
  const loads = visit(tsgun);
  writeFileSync(join(cwd, 'hold'), '');
  const pid = await beginUpgrade(tsgun);
  await tsgun.waitFor(({ event, master }) => event === 'serving' && master === pid);
  const { cause } = await tsgun.waitFor('upgrade-failed', { timeoutMs: 20_000 });
  expect(cause).toMatch(/^exited with code 0 /);
  rmSync(join(cwd, 'hold'));
  await carriesOn(tsgun, cwd, loads);
});

test('one upgrade at a time; TERM ends both masters', async () => {
  const { cwd, hold } = heldApp();
  const tsgun = await start(cwd);
  hold();
  const pid = await beginUpgrade(tsgun);
  tsgun.signal('SIGUSR2');
  const { msg } = await tsgun.waitFor('upgrade-refused');
  expect(msg).toBe(`no upgrade: one is under way, to master ${pid}`);
  await tsgun.waitFor(({ event, master }) => event === 'spawn' && master === pid);
  process.kill(pid, 'SIGUSR2');
  await tsgun.waitFor(({ event, master }) => event === 'upgrade-refused' && master === pid);
  tsgun.signal('SIGTERM');
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(alive(pid)).toBe(false);
  await until(() => tsgun.family().length === 0, 'nothing should be left');
  expect(readdirSync(cwd).filter((name) => /pid|sock/.test(name))).toEqual([]);
});

test('TERM in the very beginning of an upgrade', async () => {
  const cwd = tempApp(hello);
  const tsgun = await start(cwd);
  const pid = await beginUpgrade(tsgun);
  tsgun.signal('SIGTERM');
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(alive(pid)).toBe(false);
  expect(readdirSync(cwd).filter((name) => /pid|sock/.test(name))).toEqual([]);
});

test('INT to the whole group during an upgrade ends both', async () => {
  const { cwd, hold } = heldApp();
  const tsgun = await start(cwd);
  hold();
  const pid = await beginUpgrade(tsgun);
  await tsgun.waitFor(({ event, master }) => event === 'spawn' && master === pid);
  tsgun.signalGroup('SIGINT');
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(alive(pid)).toBe(false);
  expect(readdirSync(cwd).filter((name) => /pid|sock/.test(name))).toEqual([]);
});

test('when the old master is killed, the new one takes over and goes on booting', async () => {
  const { cwd, hold, release } = heldApp();
  const tsgun = await start(cwd);
  const loads = visit(tsgun);
  hold();
  const pid = await beginUpgrade(tsgun);
  await tsgun.waitFor(({ event, master }) => event === 'spawn' && master === pid);
  tsgun.signal('SIGKILL');
  await tsgun.waitFor('takeover');
  expect(readFileSync(join(cwd, 'pid'), 'utf8')).toBe(`${pid}\n`);
  release();
  await tsgun.waitFor(({ event, master }) => event === 'serving' && master === pid, { count: 2 });
  await expectNothingLost(loads);
  expect((await tsgun.get()).status).toBe(200);
  const next = await upgrade(tsgun, pid);
  await stopMaster(next.pid);
  expect(readdirSync(cwd).filter((name) => /pid|sock/.test(name))).toEqual([]);
});

test('the old master is killed before the new one has read anything', async () => {
  const cwd = tempApp(hello);
  const tsgun = await start(cwd);
  const loads = visit(tsgun);
  const pid = await beginUpgrade(tsgun);
  tsgun.signal('SIGKILL');
  await tsgun.waitFor('takeover');
  await tsgun.waitFor(({ event, master }) => event === 'serving' && master === pid, { count: 2 });
  await expectNothingLost(loads);
  await stopMaster(pid);
  expect(readdirSync(cwd).filter((name) => /pid|sock/.test(name))).toEqual([]);
});

test('when the new master is killed, the old one carries on', async () => {
  const { cwd, hold, release } = heldApp();
  const tsgun = await start(cwd);
  const loads = visit(tsgun);
  hold();
  const pid = await beginUpgrade(tsgun);
  await tsgun.waitFor(({ event, master }) => event === 'spawn' && master === pid);
  process.kill(pid, 'SIGKILL');
  const { cause } = await tsgun.waitFor('upgrade-failed');
  expect(cause).toBe('was killed by SIGKILL');
  release();
  await waitGone(pid);
  await carriesOn(tsgun, cwd, loads);
});

test('the old master carries on when the directory that it was started in is gone', async () => {
  const cwd = tempApp(hello);
  const tsgun = await start(cwd);
  renameSync(cwd, `${cwd}-gone`);
  tsgun.signal('SIGUSR2');
  const { cause } = await tsgun.waitFor('upgrade-failed');
  expect(cause).toBe(`could not be started: its working directory ${cwd} does not exist`);
  renameSync(`${cwd}-gone`, cwd);
  expect((await tsgun.get()).status).toBe(200);
});

test.for([
  { mode: 'auto', why: /there is no terminal/ },
  { mode: 'off', why: /--upgrade off forbids it/ },
])('--upgrade $mode: refused in one line', async ({ mode, why }) => {
  const binds = ['-b', '127.0.0.1:0'];
  const tsgun = await startTsgun(['app.js', '--upgrade', mode, ...binds], { cwd: tempApp(hello) }).ready();
  tsgun.signal('SIGUSR2');
  const { msg, level } = await tsgun.waitFor('upgrade-refused');
  expect([msg, level]).toEqual([expect.stringMatching(why), 'warn']);
  expect((await tsgun.get()).status).toBe(200);
  expect(tsgun.records('upgrade')).toEqual([]);
});

test('a reload during an upgrade is refused, and says whom to ask', async () => {
  const { cwd, hold, release } = heldApp();
  const tsgun = await start(cwd);
  hold();
  const pid = await beginUpgrade(tsgun);
  tsgun.signal('SIGHUP');
  const { msg, outcome } = await tsgun.waitFor('rollout');
  expect(outcome).toBe('failed');
  expect(msg).toBe(`reload refused: an upgrade is under way, to master ${pid}; reload that one when it is in charge`);
  release();
  await tsgun.waitFor('takeover');
  await stopMaster(pid);
});
