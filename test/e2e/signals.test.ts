/** Signals to the master, to one worker, and to the whole process group, as terminals and `systemctl kill` send them. */
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { register } from '../helpers/cleanup.ts';
import { openKeepAlive } from '../helpers/http.ts';
import { LoadClient } from '../helpers/load-client.ts';
import { alive, descriptorsOf, procStat, until, waitGone } from '../helpers/proc.ts';
import { needs } from '../helpers/requires.ts';
import { MARKER, Tsgun } from '../helpers/running.ts';
import { tempApp } from '../helpers/temp.ts';
import { program, runtimeEnvironment, startTsgun, testNode } from '../helpers/tsgun.ts';

function start(workers: number, app = hello): Promise<Tsgun> {
  const args = ['app.js', '-w', String(workers), '-b', '127.0.0.1:0', '--drain-linger', '1', '--graceful-timeout', '5'];
  return startTsgun(args, { cwd: tempApp(app) }).ready(workers);
}

/** Kept-alive visitors who never pause for as long as idle connections linger. The first of them are served already. */
async function visit(tsgun: Tsgun): Promise<LoadClient> {
  const load = new LoadClient({ target: tsgun.address, connections: 6, thinkMs: 20 });
  onTestFinished(() => void load.stop());
  await served(load, 30);
  return load;
}

/** Resolves when so many more requests were answered. */
async function served(load: LoadClient, more: number): Promise<void> {
  const wanted = load.result().ok + more;
  for (const deadline = Date.now() + 10_000; load.result().ok < wanted; await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`not answered in time: ${JSON.stringify(load.result())}`);
  }
}

/** Nothing was lost, whatever happened. */
async function expectNothingLost(load: LoadClient): Promise<void> {
  const { failures, examples } = await load.stop();
  expect(examples).toEqual([]);
  expect(failures).toBe(0);
}

test('TERM to the group, under load: every request that was taken is answered', async () => {
  const tsgun = await start(2);
  const load = await visit(tsgun);
  tsgun.signalGroup('SIGTERM');
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  const { lost, lastOnes, examples } = await load.stop();
  // Who comes when the socket is closed already is refused, and who stands in its queue at that moment is reset by the
  // kernel: nobody can close a socket and accept from it at once. Neither was ever taken, so it is the first request of
  // its connection that is lost, and of few: those that came in the last turn of the last worker.
  const { refused: _, resetFresh, ...taken } = lost;
  expect(taken, examples.join('\n')).toEqual({ resetKept: 0, cutBody: 0, timeout: 0, badStatus: 0 });
  expect(resetFresh, examples.join('\n')).toBeLessThanOrEqual(2);
  expect(lastOnes).toBeGreaterThan(0);
  const exits = tsgun.records('exited');
  expect(exits.map(({ code, signal, level }) => ({ code, signal, level }))).toEqual(
    exits.map(() => ({ code: 0, signal: null, level: 'info' })),
  );
  expect(exits).toHaveLength(2);
  expect(tsgun.records('halt')).toMatchObject([{ exitCode: 0, reason: 'SIGTERM' }]);
  expect(tsgun.family()).toEqual([]);
});

test.for(['SIGINT', 'SIGQUIT'] as const)('%s to the group, under load: a quick end with code 0', async (signal) => {
  const tsgun = await start(2);
  const load = await visit(tsgun);
  const since = performance.now();
  tsgun.signalGroup(signal);
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - since).toBeLessThan(2000);
  await load.stop();
  expect(tsgun.records('stop')).toMatchObject([{ how: 'quick', reason: signal }]);
  expect(tsgun.records('kill')).toEqual([]);
  expect(tsgun.records('exited').map(({ code, signal }) => ({ code, signal }))).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
  expect(tsgun.family()).toEqual([]);
});

test('USR1 to the group, under load: nobody dies, nothing is lost', async () => {
  const tsgun = await start(2);
  const load = await visit(tsgun);
  const before = tsgun.workers();
  tsgun.signalGroup('SIGUSR1');
  expect(await tsgun.waitFor('reopen')).toMatchObject({ level: 'info' });
  await served(load, 60);
  expect(tsgun.workers()).toEqual(before);
  expect(tsgun.records('exited')).toEqual([]);
  await expectNothingLost(load);
  expect(await tsgun.stop()).toEqual({ code: 0, signal: null });
});

test('HUP to the group, under load: a reload, by the master alone', async () => {
  const tsgun = await start(2);
  const load = await visit(tsgun);
  tsgun.signalGroup('SIGHUP');
  expect(await tsgun.waitFor('rollout')).toMatchObject({ outcome: 'done', generation: 2 });
  await served(load, 60);
  await expectNothingLost(load);
  expect(await tsgun.stop()).toEqual({ code: 0, signal: null });
});

test('WINCH to the group without a terminal, under load: all workers leave; who asks waits, and is answered', async () => {
  const tsgun = await start(2);
  const load = await visit(tsgun);
  tsgun.signalGroup('SIGWINCH');
  await tsgun.waitFor('exited', { count: 2 });
  tsgun.signal('SIGTTIN');
  await served(load, 60);
  await expectNothingLost(load);
  expect(await tsgun.stop()).toEqual({ code: 0, signal: null });
});

/** As popular shutdown helpers do. */
const quitter = `${hello}
for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGQUIT', 'SIGINT'])
  process.on(signal, () => { console.error('app: dies of', signal); process.exit(1); });`;

test('an application that would die of HUP or USR2 itself does not hear of those to the group', async () => {
  const tsgun = await start(2, quitter);
  const load = await visit(tsgun);
  const before = tsgun.workers();
  for (const signal of ['SIGHUP', 'SIGUSR2'] as const) {
    tsgun.signalGroup(signal);
    await tsgun.waitFor(signal === 'SIGUSR2' ? 'upgrade-refused' : 'rollout');
  }
  await served(load, 60);
  expect(tsgun.workers()).toHaveLength(before.length);
  await expectNothingLost(load);
  // An old worker of the reload hears of INT when it has finished its requests, as of any end.
  expect(tsgun.stderr()).not.toMatch(/app: dies of (SIGHUP|SIGUSR2|SIGQUIT)/);
});

test('TTIN to the group, under load: one worker more, in the next slot, nothing lost', async () => {
  const tsgun = await start(2);
  const load = await visit(tsgun);
  const before = tsgun.workers();
  const mark = tsgun.mark();
  tsgun.signalGroup('SIGTTIN');
  expect(await tsgun.waitFor('scale')).toMatchObject({ from: 2, to: 3 });
  const next = await tsgun.waitFor('serving', { since: mark });
  expect(next.slot).toBe(2);
  await served(load, 60);
  expect(tsgun.workers()).toEqual([...before, next.pid]);
  expect(tsgun.records('exited')).toEqual([]);
  await expectNothingLost(load);
});

test('TTOU to the group, under load: the worker of the last slot drains, nothing is lost', async () => {
  const tsgun = await start(3);
  const load = await visit(tsgun);
  const before = tsgun.workers();
  const last = tsgun.records('serving').find(({ slot }) => slot === 2);
  tsgun.signalGroup('SIGTTOU');
  expect(await tsgun.waitFor('scale')).toMatchObject({ from: 3, to: 2 });
  expect(await tsgun.waitFor('drain')).toMatchObject({ pid: last?.pid, how: 'graceful', reason: 'scaled down' });
  expect(await tsgun.waitFor('exited')).toMatchObject({ pid: last?.pid, slot: 2, code: 0, level: 'info' });
  await served(load, 60);
  expect(tsgun.workers()).toEqual(before.filter((pid) => pid !== last?.pid));
  expect(tsgun.records('spawn')).toHaveLength(3);
  await expectNothingLost(load);
});

test('TTOU never leaves less than one worker, and TTIN counts up from there', async () => {
  const tsgun = await start(2);
  for (let count = 1; count <= 3; count++) {
    tsgun.signal('SIGTTOU');
    await tsgun.waitFor('scale', { count });
  }
  expect(tsgun.records('scale').map(({ from, to }) => [from, to])).toEqual([
    [2, 1],
    [1, 1],
    [1, 1],
  ]);
  await tsgun.waitFor('exited');
  expect(tsgun.workers()).toHaveLength(1);
  expect((await tsgun.get()).status).toBe(200);
  const mark = tsgun.mark();
  tsgun.signal('SIGTTIN');
  expect(await tsgun.waitFor('scale', { since: mark })).toMatchObject({ from: 1, to: 2 });
  expect((await tsgun.waitFor('serving', { since: mark })).slot).toBe(1);
  expect(tsgun.workers()).toHaveLength(2);
});

test('TERM to one worker, under load: it drains and is replaced in its slot, nothing is lost', async () => {
  const tsgun = await start(2);
  const load = await visit(tsgun);
  const [victim, other] = tsgun.workers() as [number, number];
  const mark = tsgun.mark();
  process.kill(victim, 'SIGTERM');
  const left = await tsgun.waitFor('leaving', { since: mark });
  expect(left).toMatchObject({ pid: victim, reason: 'SIGTERM' });
  const next = await tsgun.waitFor('serving', { since: mark });
  expect(next.slot).toBe(left.slot);
  expect(await tsgun.waitFor('exited', { since: mark })).toMatchObject({ pid: victim, code: 0, level: 'info' });
  await served(load, 60);
  expect(tsgun.workers()).toEqual([other, next.pid]);
  await expectNothingLost(load);
});

test('INT, QUIT, HUP, USR2, TTIN, TTOU and WINCH to one worker are ignored', async () => {
  const tsgun = await start(1, quitter);
  const [worker] = tsgun.workers() as [number];
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU', 'SIGWINCH'] as const) {
    process.kill(worker, signal);
    for (let i = 0; i < 3; i++) {
      expect((await tsgun.get()).body, signal).toBe(String(worker));
      await sleep(10);
    }
    expect(procStat(worker)?.state, signal).not.toBe('T');
  }
  // An old worker of the reload hears of INT when it has finished its requests, as of any end.
  expect(tsgun.stderr()).not.toMatch(/app: dies of (SIGHUP|SIGUSR2|SIGQUIT)/);
  process.kill(worker, 'SIGTERM');
  await waitGone(worker);
});

test.for(['SIGINT', 'SIGTERM'] as const)(
  '%s to the group: the listener of the application runs once',
  async (signal) => {
    const app = `${hello}\nprocess.on('${signal}', () => {
    console.error('app: told of ${signal}');
    setTimeout(() => process.exit(), 100);
  });`;
    const tsgun = await start(1, app);
    tsgun.signalGroup(signal);
    expect(await tsgun.exit).toEqual({ code: 0, signal: null });
    expect(tsgun.stderr().match(/^app: .*$/gm)).toEqual([`app: told of ${signal}`]);
  },
);

test('INT to the group during a graceful stop makes it quick; TERM after that does not slow it down', async () => {
  const app = `module.exports = (req, res) => {
    console.error('app: asked');
    setTimeout(() => res.end(), 20_000);
  };`;
  const tsgun = await start(2, app);
  const visitor = await openKeepAlive(tsgun.address);
  const cut = visitor.request().catch((error: Error) => error);
  await tsgun.waitFor(/app: asked/);
  tsgun.signalGroup('SIGTERM');
  await tsgun.waitFor('stop');
  const since = performance.now();
  tsgun.signalGroup('SIGINT');
  await tsgun.waitFor('stop', { count: 2 });
  tsgun.signalGroup('SIGTERM');
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - since).toBeLessThan(2000);
  expect(await cut).toBeInstanceOf(Error);
  expect(tsgun.records('stop').map(({ how, reason }) => [how, reason])).toEqual([
    ['graceful', 'SIGTERM'],
    ['quick', 'SIGINT'],
  ]);
});

/** Two workers in the foreground of a new terminal. What they write comes by standard error, as ever. */
async function startInTerminal(script: string): Promise<Tsgun> {
  const marker = randomUUID();
  const command = `stty -echo; exec '${testNode}' '${program}' --log-format json --log-level debug app.js -w 2 -b 127.0.0.1:0`;
  const child = spawn('sh', ['-c', `exec '${script}' -qfec "$0" /dev/null >&2`, command], {
    cwd: tempApp(hello),
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', ...runtimeEnvironment(), [MARKER]: marker },
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const started = new Tsgun(child, marker, true);
  register(started);
  return started.ready(2);
}

/** The pid of the master, and the path of the terminal that it is in the foreground of. */
function terminalOf(tsgun: Tsgun): { master: number; terminal: string } {
  const master = procStat(tsgun.workers()[0] as number)?.ppid as number;
  expect(procStat(master)).toMatchObject({ pgrp: procStat(tsgun.workers()[0] as number)?.pgrp });
  expect(procStat(master)?.tty).not.toBe(0);
  return { master, terminal: descriptorsOf(master).get(0) as string };
}

test('a terminal that is resized again and again does no harm', async (context) => {
  const [script, stty] = needs(context, 'script', 'stty') as [string, string];
  const tsgun = await startInTerminal(script);
  const { terminal } = terminalOf(tsgun);
  const load = await visit(tsgun);
  const before = tsgun.workers();
  for (let count = 1; count <= 3; count++) {
    execFileSync(stty, ['-F', terminal, 'cols', String(90 + count), 'rows', '40']);
    const resized = await tsgun.waitFor('signal', { count }); // the system sends it to the foreground group
    expect(resized.signal).toBe('SIGWINCH');
  }
  await served(load, 60);
  expect(tsgun.workers()).toEqual(before);
  expect(tsgun.records('exited')).toEqual([]);
  await expectNothingLost(load);
  tsgun.child.stdin?.write('\x03');
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
});

test.for([
  ['Ctrl-C', '\x03', 'SIGINT'],
  ['Ctrl-\\', '\x1c', 'SIGQUIT'],
] as const)('%s in a terminal ends it at once, with code 0', async ([, key, reason], context) => {
  const [script] = needs(context, 'script') as [string];
  const tsgun = await startInTerminal(script);
  const { master } = terminalOf(tsgun);
  const visitor = await openKeepAlive(tsgun.address);
  expect((await visitor.request()).status).toBe(200);
  const since = performance.now();
  tsgun.child.stdin?.write(key);
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - since).toBeLessThan(2000);
  await visitor.closed;
  expect(alive(master)).toBe(false);
  expect(tsgun.records('stop')).toMatchObject([{ how: 'quick', reason }]);
  expect(tsgun.records('exited').map(({ code, signal }) => ({ code, signal }))).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
  expect(tsgun.records('kill')).toEqual([]);
  await until(() => tsgun.family().length === 0, 'nothing should be left');
});
