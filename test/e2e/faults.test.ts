/** What can go wrong while it serves. The master survives all of it, says why, and leaves nothing behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { hello, slow } from '../helpers/apps.ts';
import { get, openKeepAlive } from '../helpers/http.ts';
import { alive, portListens, until, waitGone } from '../helpers/proc.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';
import { program, runtimeEnvironment, startTsgun, testNode } from '../helpers/tsgun.ts';

const local = ['-b', '127.0.0.1:0'];

/** Answers with its pid, and does something bad on demand. */
const fragile = `module.exports = (req, res) => {
  if (req.url === '/throw') (function badHandler() { throw new Error('bad handler'); })();
  if (req.url === '/reject') (async function badPromise() { throw new Error('bad promise'); })();
  res.end(String(process.pid));
};`;

test.for([
  ['throws in a handler', '/throw', 'badHandler', 'bad handler'],
  ['leaves a rejection unhandled', '/reject', 'badPromise', 'bad promise'],
] as const)('a worker that %s is replaced in its slot, and its stack is in the log', async ([, path, frame, text]) => {
  const tsgun = await startTsgun(['app.js', '-w', '2', ...local], { cwd: tempApp(fragile) }).ready(2);
  const before = tsgun.workers();
  const mark = tsgun.mark();
  const visitor = await openKeepAlive(tsgun.address);
  await visitor.request(path).catch(() => undefined); // the answer is lost with the worker
  const exited = await tsgun.waitFor('exited', { since: mark });
  expect(before).toContain(exited.pid);
  expect(exited.cause).toBeTruthy();
  const next = await tsgun.waitFor('serving', { since: mark });
  expect(next.slot).toBe(exited.slot);
  expect(tsgun.stderr()).toContain(text);
  expect(tsgun.stderr().split(`at ${frame} `).length + tsgun.stderr().split(`at async ${frame} `).length).toBe(3);
  expect(before).not.toContain(Number(next.pid));
  expect((await tsgun.get()).status).toBe(200);
  expect((await tsgun.stop()).code).toBe(0);
});

test('a worker that is killed is replaced at once, in its slot, and the log says who and of what', async () => {
  const tsgun = await startTsgun(['app.js', '-w', '2', ...local], { cwd: tempApp(hello) }).ready(2);
  const [victim, other] = tsgun.workers() as [number, number];
  const mark = tsgun.mark();
  const start = Date.now();
  process.kill(victim, 'SIGKILL');
  const exited = await tsgun.waitFor('exited', { since: mark });
  expect(exited).toMatchObject({ pid: victim, signal: 'SIGKILL' });
  expect(String(exited.msg)).toMatch(/SIGKILL/);
  const next = await tsgun.waitFor('serving', { since: mark });
  expect(Date.now() - start).toBeLessThan(5000);
  expect(next.slot).toBe(exited.slot);
  expect(tsgun.workers()).toEqual([other, next.pid]);
  for (let i = 0; i < 20; i++) expect(tsgun.workers()).toContain(Number((await tsgun.get()).body));
  expect((await tsgun.stop()).code).toBe(0);
});

test('a crash loop backs off; who connects meanwhile is served by the next worker; the master stays responsive', async () => {
  const app = `${hello}\nsetTimeout(() => process.exit(9), 300);`;
  const tsgun = await startTsgun(['app.js', ...local], { cwd: tempApp(app) }).ready();
  await tsgun.waitFor((record) => record.event === 'exited' && Number(record.failures) >= 4, { timeoutMs: 30_000 });
  const deaths = tsgun.records('exited');
  expect(deaths.map((record) => record.failures)).toEqual(deaths.map((_, index) => index + 1));
  expect(deaths.every((record) => record.code === 9)).toBe(true);
  const waits = deaths.map((record) => Number(record.retryInMs));
  expect(waits.at(-1)).toBeGreaterThan(waits[0] as number);
  expect(waits.at(-1)).toBeGreaterThan(500);
  expect(String(deaths.at(-1)?.msg)).toMatch(/4 failures in a row; next try in/);
  expect(tsgun.workers()).toEqual([]);

  const port = Number(tsgun.address.split(':')[1]);
  expect(portListens(port)).toBe(true);
  const answer = await get(tsgun.address, '/', { timeoutMs: 20_000 }); // asked while no worker lives
  expect(answer.status).toBe(200);
  expect(deaths.map((record) => String(record.pid))).not.toContain(answer.body);

  const mark = tsgun.mark();
  await tsgun.waitFor('exited', { since: mark, timeoutMs: 20_000 });
  tsgun.signal('SIGTTIN');
  await tsgun.waitFor('scale', { since: mark, timeoutMs: 2000 });
  const start = Date.now();
  expect(await tsgun.stop()).toEqual({ code: 0, signal: null });
  expect(Date.now() - start).toBeLessThan(4000);
});

test('kill -9 of the master: its workers finish what they have and go, nothing is left listening', async () => {
  const tsgun = await startTsgun(['app.js', '-w', '2', ...local], { cwd: tempApp(slow) }).ready(2);
  const port = Number(tsgun.address.split(':')[1]);
  const workers = tsgun.workers();
  const pending = [tsgun.get('/slow'), tsgun.get('/slow'), tsgun.get('/slow')];
  await sleep(200);
  tsgun.signal('SIGKILL');
  await until(() => !alive(tsgun.pid), 'the master should be gone');
  for (const answer of await Promise.all(pending)) {
    expect(answer.status).toBe(200);
    expect(workers).toContain(Number(answer.body));
  }
  for (const pid of workers) await waitGone(pid);
  expect(portListens(port)).toBe(false);
});

test.for(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('%s while booting ends it, with code 0', async (signal) => {
  const app = `console.error('loading'); setInterval(() => {}, 1e9); module.exports = () => new Promise(() => {});`;
  const tsgun = startTsgun(['app.js', '-w', '2', ...local], { cwd: tempApp(app) });
  await tsgun.waitFor(/loading/);
  const start = Date.now();
  tsgun.signal(signal);
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(Date.now() - start).toBeLessThan(4000);
  expect(tsgun.family()).toEqual([]);
});

test('SIGTERM right after the start ends it', async () => {
  for (const afterMs of [0, 30, 60, 100, 150]) {
    const tsgun = startTsgun(['app.js', '-w', '2', ...local], { cwd: tempApp(hello) });
    await sleep(afterMs);
    tsgun.signal('SIGTERM');
    const { code, signal } = await tsgun.exit;
    expect([0, null]).toContain(code); // before it has looked at signals at all, the system ends it
    expect(['SIGTERM', null]).toContain(signal);
    await until(() => tsgun.family().length === 0, 'nothing should be left');
  }
});

const harmless = ['SIGHUP', 'SIGUSR1', 'SIGTTIN', 'SIGTTOU', 'SIGCHLD', 'SIGCONT', 'SIGPIPE'] as const;

test('50 signals within a second, none of which means stop: it goes on serving', async () => {
  const tsgun = await startTsgun(['app.js', '-w', '2', ...local], { cwd: tempApp(hello) }).ready(2);
  for (let i = 0; i < 50; i++) {
    tsgun.signal(harmless[(i * 7 + (i >> 3)) % harmless.length] as NodeJS.Signals);
    await sleep(10);
  }
  await sleep(300);
  expect((await tsgun.get()).status).toBe(200);
  expect(tsgun.ended).toBeUndefined();
  expect(await tsgun.stop()).toEqual({ code: 0, signal: null });
});

test('50 signals of all kinds within a second, stops among them: it ends in order', async () => {
  const tsgun = await startTsgun(['app.js', '-w', '2', ...local], { cwd: tempApp(hello) }).ready(2);
  const all = [...harmless, 'SIGUSR2', 'SIGWINCH', 'SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
  for (let i = 0; i < 50 && tsgun.ended === undefined; i++) {
    tsgun.signal(all[(i * 5) % all.length] as NodeJS.Signals);
    await sleep(10);
  }
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(tsgun.records('halt')).toHaveLength(1);
  expect(tsgun.family()).toEqual([]);
});

/** Writes far more to standard error than a pipe holds. */
const noisy = `${hello}\nsetInterval(() => console.error('x'.repeat(65536)), 5);`;

test.for(['stops reading', 'goes away'])('a reader of standard error that %s stops nobody', async (how) => {
  const path = join(tempDir(), 'a.sock');
  const tsgun = startTsgun(['app.js', '-w', '2', '-b', `unix:${path}`], { cwd: tempApp(noisy), stderr: 'unread' });
  const answers = () =>
    get(`unix:${path}`, '/', { timeoutMs: 2000 }).then(
      () => true,
      () => false,
    );
  await until(answers, 'it should serve', 15_000);
  if (how === 'goes away') tsgun.child.stderr?.destroy();
  await sleep(2500);
  for (let i = 0; i < 20; i++) expect((await get(`unix:${path}`)).status).toBe(200);
  const start = Date.now();
  tsgun.signal('SIGTERM');
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(Date.now() - start).toBeLessThan(8000);
});

test('a stopped worker does not keep the master from ending', async () => {
  const tsgun = await startTsgun(['app.js', '-w', '2', ...local, '--graceful-timeout', '1'], {
    cwd: tempApp(hello),
  }).ready(2);
  process.kill(tsgun.workers()[0] as number, 'SIGSTOP');
  const start = Date.now();
  tsgun.signal('SIGTERM');
  expect((await tsgun.exit).code).toBe(0);
  expect(Date.now() - start).toBeLessThan(8000);
  expect(tsgun.records('kill')).toHaveLength(1);
});

test('a program that closes its server on its way out closes no socket: who connects waits for the next worker', async () => {
  const source = `const s = require('node:http').createServer((q, r) => r.end(String(process.pid)));
    process.on('SIGTERM', () => s.close(() => setTimeout(() => process.exit(0), 700)));
    s.listen(0, '127.0.0.1');`;
  const tsgun = await startTsgun(['app.js'], { cwd: tempApp(source) }).ready(1);
  const [first] = tsgun.workers();
  const since = tsgun.mark();
  process.kill(first as number, 'SIGTERM');
  await tsgun.waitFor('leaving', { since });
  for (let i = 0; i < 20; i++) expect((await tsgun.get('/')).status).toBe(200);
  expect(tsgun.records('listening')).toHaveLength(1);
});

test('what an application says to the master in its own words stops nobody', async () => {
  const source = `module.exports = (q, r) => {
    try { require('node:fs').writeSync(4, 'nonsense\\n'); } catch {}
    process.send({ cmd: 'NODE_TSGUN', type: 'failed', failure: { code: 'none' } });
    r.end('ok');
  };`;
  const tsgun = await startTsgun(['app.js', ...local], { cwd: tempApp(source) }).ready(1);
  for (let i = 0; i < 3; i++) expect((await tsgun.get('/')).status).toBe(200);
  expect(tsgun.records('exited')).toHaveLength(0);
  expect((await tsgun.stop()).code).toBe(0);
});

test('an error that a hook leaves to nobody is logged, and stops nobody', async () => {
  const cwd = tempApp(hello);
  writeFileSync(
    join(cwd, 'tsgun.config.mjs'),
    'export default { whenReady() { setTimeout(() => { throw new Error("of a hook") }, 5); } }',
  );
  const tsgun = await startTsgun(['app.js', ...local], { cwd }).ready(1);
  await tsgun.waitFor(/left an error to nobody/);
  expect((await tsgun.get('/')).status).toBe(200);
  expect((await tsgun.stop()).code).toBe(0);
});

test('SIGTERM during onStarting ends it in order: exit 0, no pid file left, onExit called', async () => {
  const cwd = tempApp(hello);
  writeFileSync(
    join(cwd, 'tsgun.config.mjs'),
    `export default {
      async onStarting(master) { console.error('starting'); await new Promise((resolve) => setTimeout(resolve, 3000)); },
      onExit() { console.error('exit hook'); },
    }`,
  );
  const pid = join(cwd, 'a.pid');
  const tsgun = startTsgun(['app.js', ...local, '--pid', pid], { cwd });
  await tsgun.waitFor(/starting/);
  tsgun.signal('SIGTERM');
  expect((await tsgun.exit).code).toBe(0);
  expect(tsgun.stderr()).toMatch(/exit hook/);
  expect(existsSync(pid)).toBe(false);
});

test('PORT for a program with a hard-coded port that somebody else holds: it gets PORT all the same', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const source = `require('node:http').createServer((q, r) => r.end('ok')).listen(${port}, '127.0.0.1')`;
  const tsgun = await startTsgun(['app.js'], { cwd: tempApp(source), env: { PORT: '0' } }).ready(1);
  expect((await tsgun.get('/')).status).toBe(200);
  taken.close();
});

test('an application that never loads is started once', async () => {
  const tsgun = startTsgun(['app.js', ...local, '--boot-timeout', '0.7'], { cwd: tempApp('for (;;);') });
  expect((await tsgun.exit).code).toBe(3);
  expect(tsgun.records('spawn')).toHaveLength(1);
});

test('standard output and standard error in one file: nothing is overwritten', async () => {
  const cwd = tempApp("console.log('from the application'); module.exports = (q, r) => r.end('ok');");
  const path = join(cwd, 'both.log');
  const command = `exec "$0" "$1" app.js -b 127.0.0.1:0 -w 2 >${path} 2>&1`;
  const child = spawn('sh', ['-c', command, testNode, program], {
    cwd,
    env: { ...process.env, ...runtimeEnvironment() },
    stdio: 'ignore',
  });
  const text = () => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  await until(async () => text().split('"event":"serving"').length === 3, 'both workers should serve', 15_000);
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(text().match(/from the application/g)).toHaveLength(2);
  for (const event of ['start', 'listening', 'ready', 'halt']) expect(text()).toContain(`"event":"${event}"`);
});
