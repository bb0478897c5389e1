/** What a reload has to stand beyond a load of its own: a proxy, storms of signals, signals in a row, many reloads. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { controlSocket, statusAt } from '../helpers/control.ts';
import type { LogRecord } from '../helpers/journal.ts';
import { LoadClient } from '../helpers/load-client.ts';
import { startNginx } from '../helpers/nginx.ts';
import { children, descriptorsOf, pids, procStat, until, waitGone } from '../helpers/proc.ts';
import { freePort } from '../helpers/program.ts';
import { expectNoneLost, startReloadable, version } from '../helpers/reload.ts';
import { needs } from '../helpers/requires.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';
import { startTsgun, type Tsgun } from '../helpers/tsgun.ts';
import { stopMaster, usual } from '../helpers/upgrade.ts';

test.for([
  ['keeps its connections', 'keepalive 16;', 'proxy_http_version 1.1; proxy_set_header Connection "";'],
  ['opens one for each request', '', ''],
] as const)('reloads behind an nginx that %s lose nothing', async ([, upstream, location], context) => {
  const [nginx] = needs(context, 'nginx') as [string];
  const { tsgun, deploy, hup } = await startReloadable(version(0), 2, ['--drain-linger', '1']);
  const port = await freePort();
  const front = await startNginx(
    nginx,
    port,
    `upstream tsgun { server ${tsgun.address} max_fails=0; ${upstream} }`,
    `proxy_pass http://tsgun; ${location}`,
  );
  const visit = { target: `127.0.0.1:${port}`, connections: 6, thinkMs: [0, 20] as [number, number] };
  // nginx asks again where a GET fails on a connection that it had kept, but never a POST.
  const loads = [new LoadClient(visit), new LoadClient({ ...visit, body: 'posted' })];
  for (let reload = 1; reload <= 4; reload++) {
    deploy(version(reload));
    expect(await hup()).toMatchObject({ outcome: 'done', generation: reload + 1 });
  }
  await tsgun.waitFor('exited', { count: 8 });
  for (const load of loads) expectNoneLost(await load.stop());
  expect(front.errors()).toBe('');
});

/** All workers serve, of one generation, and nothing is under way. */
async function settled(control: string): Promise<boolean> {
  const { state, generation, goal, workers } = await statusAt(control);
  const done = workers.filter((worker) => worker.stage === 'serving' && worker.generation === generation);
  return state === 'serving' && done.length === goal && workers.length === goal;
}

test('a storm of TTIN and TTOU under load ends with the number that results, and loses nothing', async () => {
  const { tsgun } = await startReloadable(version(0), 2);
  const control = await controlSocket(tsgun);
  const kept = new LoadClient({ target: tsgun.target, connections: 12, thinkMs: [0, 20] });
  const fresh = new LoadClient({ target: tsgun.target, connections: 4, keepAlive: false, thinkMs: [0, 20] });
  const storm = '++-+--+++---'.repeat(5);
  for (const step of storm) {
    tsgun.signal(step === '+' ? 'SIGTTIN' : 'SIGTTOU');
    await sleep(15);
  }
  await until(() => settled(control), 'as many workers as are to be');
  // The system delivers two of a kind as one while the master forks: what was counted is what has arrived.
  const counted = tsgun.records('scale');
  expect(tsgun.workers()).toHaveLength(counted.at(-1)?.to as number);
  expect(counted.length).toBeGreaterThan(10);
  for (const load of [kept, fresh]) expectNoneLost(await load.stop());
  const served = new Set(tsgun.records('serving').map(({ worker }) => worker));
  expect(tsgun.records('kill').filter(({ worker }) => served.has(worker))).toEqual([]);
});

/** Waits for what the signals come to. @returns the pid of the master that is then in charge */
type Outcome = (tsgun: Tsgun) => Promise<number>;

const reloaded: Outcome = async (tsgun) => {
  await tsgun.waitFor((record) => record.event === 'rollout' && record.outcome === 'done');
  return tsgun.pid;
};

const takenOver: Outcome = async (tsgun) => {
  const pid = (await tsgun.waitFor('takeover')).pid as number;
  await waitGone(tsgun.pid);
  return pid;
};

const stopped: Outcome = async (tsgun) => {
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  return tsgun.pid;
};

test.for([
  ['HUP', 'HUP', reloaded],
  ['HUP', 'TERM', stopped],
  ['HUP', 'USR2', takenOver],
  ['TTIN', 'HUP', reloaded],
  ['USR2', 'TERM', stopped],
  ['USR2', 'HUP', takenOver],
] as const)('%s and then %s, 0 to 50 ms later: nothing hangs, nothing is left', async ([first, second, outcome]) => {
  for (const gap of [0, 5, 15, 50]) {
    const cwd = tempApp(hello);
    const runtime = tempDir();
    const args = [
      ...usual,
      '-b',
      '127.0.0.1:0',
      '-b',
      'unix:app.sock',
      '-p',
      'pid',
      '--drain-linger',
      '0',
      '--log-level',
      'debug',
    ];
    const tsgun = await startTsgun(args, { cwd, env: { XDG_RUNTIME_DIR: runtime } }).ready(2);
    tsgun.signal(`SIG${first}`);
    if (gap > 0) await sleep(gap);
    tsgun.signal(`SIG${second}`);
    const master = await outcome(tsgun);
    if (outcome !== stopped) {
      const isItsOwn = ({ event, master: pid }: LogRecord) => event === 'control' && pid === master;
      const control = String((await tsgun.waitFor(isItsOwn)).path);
      await until(() => settled(control), `one generation, ${gap} ms apart`);
      expect((await tsgun.get()).status, `${gap} ms`).toBe(200);
      expect(readFileSync(join(cwd, 'pid'), 'utf8'), `${gap} ms`).toBe(`${master}\n`);
      await stopMaster(master);
    }
    expect(tsgun.family(), `${gap} ms`).toEqual([]);
    expect(readdirSync(cwd), `${gap} ms`).toEqual(['app.js']);
    expect(readdirSync(runtime, { recursive: true }), `${gap} ms`).toEqual(['tsgun']);
    expect(tsgun.records('kill'), `${gap} ms`).toEqual([]);
  }
});

/** Resident memory, MiB. */
function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

test('sixty reloads in a row leave no descriptor, no zombie and no memory behind', async () => {
  const { tsgun, hup } = await startReloadable(version(0), 1);
  const master = tsgun.pid;
  const descriptors = descriptorsOf(master).size;
  let memory = 0;
  for (let reload = 1; reload <= 60; reload++) {
    expect(await hup()).toMatchObject({ outcome: 'done', generation: reload + 1 });
    if (reload === 20) memory = residentMiB(master);
  }
  await tsgun.waitFor('exited', { count: 60 });
  await until(
    () => descriptorsOf(master).size <= descriptors,
    () => `no more than ${descriptors} of ${[...descriptorsOf(master)].join('\n')}`,
  );
  expect(children(master)).toEqual(tsgun.workers());
  expect(pids().filter((pid) => procStat(pid)?.ppid === master)).toEqual(tsgun.workers());
  expect(residentMiB(master) - memory).toBeLessThan(20);
});
