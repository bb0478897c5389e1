/** A reload loses no request, and new code has to prove itself. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { controlSocket, startControlled, statusAt } from '../helpers/control.ts';
import { get } from '../helpers/http.ts';
import { LoadClient } from '../helpers/load-client.ts';
import { alive, until } from '../helpers/proc.ts';
import { expectNoneLost, pointTo, startReloadable, version } from '../helpers/reload.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';

/** The old ones have their order to leave when a reload is done; it takes them a moment to read it. */
const untilOnly = (versions: () => Promise<Set<unknown>>, wanted: unknown): Promise<void> =>
  until(
    async () => {
      const found = await versions();
      return found.size === 1 && found.has(wanted);
    },
    `only version ${wanted}`,
    1000,
  );

test.for([
  ['two workers', 2, []],
  ['one worker', 1, []],
  ['all at once', 3, ['--rollout-strategy', 'atomic', '--surge', '2']],
  ["Gunicorn's way", 3, ['--surge', 'all']],
] as [string, number, string[]][])('reloads under load lose nothing: %s', async ([, workers, args]) => {
  const { tsgun, deploy, hup, versions } = await startReloadable(version(0), workers, args);
  const kept = new LoadClient({ target: tsgun.target, connections: 12, thinkMs: [0, 20] });
  const fresh = new LoadClient({ target: tsgun.target, connections: 4, keepAlive: false, thinkMs: [0, 20] });
  for (let reload = 1; reload <= 4; reload++) {
    deploy(version(reload));
    expect(await hup()).toMatchObject({ outcome: 'done', generation: reload + 1 });
    await untilOnly(versions, reload);
  }
  for (const load of [kept, fresh]) expectNoneLost(await load.stop(), 30);
  expect(tsgun.records('kill')).toEqual([]);
});

test('over a unix socket', async () => {
  const path = join(tempDir(), 'a.sock');
  const { tsgun, deploy, hup } = await startReloadable(version(0), 2, ['-b', `unix:${path}`]);
  const load = new LoadClient({ target: `unix:${path}`, connections: 12, thinkMs: [0, 20] });
  for (let reload = 1; reload <= 3; reload++) {
    deploy(version(reload));
    expect(await hup()).toMatchObject({ outcome: 'done' });
  }
  expectNoneLost(await load.stop());
  expect((await tsgun.stop()).code).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test('an application that takes a second to boot: the old one serves meanwhile', async () => {
  const slow = (name: number): string => `const end = Date.now() + 1000; while (Date.now() < end);\n${version(name)}`;
  const { tsgun, deploy, hup, versions } = await startReloadable(slow(0), 1);
  const load = new LoadClient({ target: tsgun.target, connections: 4, thinkMs: [5, 20] });
  deploy(slow(1));
  await hup();
  await untilOnly(versions, 1);
  expectNoneLost(await load.stop(), 50);
});

test.for([
  ['throws', `throw new Error('new code is broken');`, /new code is broken/],
  ['exits', 'process.exit(7);', /exit code 7/],
  ['exports nothing of use', 'module.exports = 42;', /42|number/],
  ['hangs', 'setInterval(() => {}, 1000); new Promise(() => {});', /boot timeout/],
] as const)('new code that %s is a non-event', async ([, broken, reason]) => {
  const args = ['--boot-timeout', '3'];
  const { tsgun, deploy, command, versions } = await startReloadable(version('old'), 2, args);
  const pids = tsgun.workers();
  const load = new LoadClient({ target: tsgun.target, connections: 6, thinkMs: [1, 20] });
  deploy(broken);
  const { code, stdout, stderr } = await command('reload');
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(reason);
  const { stdout: status } = await command('status', '--json');
  expect(JSON.parse(status)).toMatchObject({
    generation: 1,
    ready: true,
    capacity: { serving: 2, of: 2 },
    lastRollout: { outcome: 'failed', generation: 2 },
  });
  expect(tsgun.workers()).toEqual(pids);
  expect(await versions()).toEqual(new Set(['old']));
  expectNoneLost(await load.stop(), 20);

  deploy(version('mended'));
  expect((await command('reload')).code).toBe(0);
  await untilOnly(versions, 'mended');
});

test('the stack of a canary that failed comes to whoever asked for the reload', async () => {
  const { deploy, command } = await startReloadable(version('old'), 1);
  deploy(`function breaks() { throw new TypeError('a canary'); }\nconsole.error('about to break');\nbreaks();`);
  const { stderr, stdout } = await command('reload');
  expect(stdout + stderr).toMatch(/TypeError: a canary/);
  expect(stdout + stderr).toMatch(/at breaks .*app\.js:1/);
  expect(stdout + stderr).toMatch(/about to break/);
});

test('after a failed reload in place, who dies cannot be replaced: the others serve on, and the status says why', async () => {
  const { tsgun, deploy, hup, command } = await startReloadable(version('old'), 2);
  deploy(`throw new Error('broken');`);
  expect(await hup()).toMatchObject({ outcome: 'failed' });
  process.kill(tsgun.workers()[0]!, 'SIGKILL');
  await tsgun.waitFor((record) => record.event === 'exited' && Number(record.failures) >= 2);
  const { stdout } = await command('status', '--json');
  expect(JSON.parse(stdout).capacity).toMatchObject({
    serving: 1,
    of: 2,
    reason: expect.stringContaining('the code on disk failed reload 2'),
  });
  deploy(version('mended'));
  expect(await hup()).toMatchObject({ outcome: 'done' });
  expect(JSON.parse((await command('status', '--json')).stdout).capacity).toEqual({ serving: 2, of: 2 });
});

test('releases behind a symbolic link: a moved link is followed, and a failed release changes nothing', async () => {
  const root = tempDir();
  const release = (name: string, source = version(name)): string => {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, 'app.js'), source);
    return join(root, name);
  };
  symlinkSync(release('one'), join(root, 'current'));
  const tsgun = startControlled('', ['--chdir', join(root, 'current'), '-w', '2'], { cwd: root });
  await tsgun.ready(2);
  const reload = async () => {
    const since = tsgun.mark();
    tsgun.signal('SIGHUP');
    return tsgun.waitFor('rollout', { since });
  };
  const versionNow = async () => JSON.parse(String((await tsgun.get()).body)).version;
  pointTo(join(root, 'current'), release('two'));
  expect(await reload()).toMatchObject({ outcome: 'done' });
  expect(await versionNow()).toBe('two');
  rmSync(join(root, 'one'), { recursive: true });
  pointTo(join(root, 'current'), release('three', 'throw new Error("three is broken")'));
  expect(await reload()).toMatchObject({ outcome: 'failed' });
  for (const pid of tsgun.workers()) {
    const since = tsgun.mark();
    process.kill(pid, 'SIGKILL');
    await tsgun.waitFor('serving', { since }); // from release two
    expect(await versionNow()).toBe('two');
  }
  rmSync(join(root, 'current'));
  expect(await reload()).toMatchObject({ outcome: 'failed', msg: expect.stringContaining('is missing') });
  expect(await versionNow()).toBe('two');
});

test('a later worker that fails: mixed, exit code 6, and what ends it is named', async () => {
  const { tsgun, deploy, command, versions } = await startReloadable(version('old'), 2, ['--rollout-attempts', '1']);
  deploy(`if (process.env.TSGUN_SLOT === '1') throw new Error('not in slot 1');\n${version('new')}`);
  const { code, stdout, stderr } = await command('reload');
  expect(code).toBe(6);
  expect(stdout + stderr).toMatch(/mixed: 1 of 2 workers .*tsgun reload.*kill -TERM \d+/);
  expect(await versions()).toEqual(new Set(['old', 'new']));
  expect((await statusAt(await controlSocket(tsgun))).workers).toMatchObject([
    { slot: 1, generation: 1, stage: 'serving' },
    { slot: 0, generation: 2, stage: 'serving' },
  ]);
});

test('fifty HUPs in a second end in one consistent generation', async () => {
  const { tsgun, deploy, versions, command } = await startReloadable(version(0), 2);
  const load = new LoadClient({ target: tsgun.target, connections: 6, thinkMs: [1, 20] });
  deploy(version(1));
  for (let i = 0; i < 50; i++) {
    tsgun.signal('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await until(
    async () => {
      const { code, stdout } = await command('status', '--json');
      if (code !== 0) return false;
      const { rollout, workers } = JSON.parse(stdout);
      return (
        rollout === undefined && new Set(workers.map(({ generation }: { generation: number }) => generation)).size === 1
      );
    },
    'one generation',
    20_000,
  );
  expect(await versions()).toEqual(new Set([1]));
  expectNoneLost(await load.stop(), 50);
});

const colours = `module.exports = (req, res) => res.end(JSON.stringify({ version: process.env.COLOUR ?? 'none' }));`;

test('what the configuration says anew: workers, sockets, variables; what cannot change is named', async () => {
  const [kept, dropped, added] = ['kept', 'dropped', 'added'].map((name) => join(tempDir(), `${name}.sock`));
  const config = (binds: unknown[], more: string): string =>
    `export default { bind: ${JSON.stringify(binds.map((path) => `unix:${path}`))}, ${more} };`;
  const dir = tempDir();
  const write = (name: string, text: string): void => {
    writeFileSync(join(dir, `${name}.new`), text);
    renameSync(join(dir, `${name}.new`), join(dir, name));
  };
  write('app.js', colours);
  write('variables', 'COLOUR=blue\n');
  write('tsgun.config.mjs', config([kept, dropped], "envFile: 'variables', workers: 1, backlog: 100"));
  const tsgun = startTsgun(['app.js'], { cwd: dir });
  await tsgun.ready();
  const colour = async (path: unknown) => JSON.parse(String((await get(`unix:${path}`)).body)).version;
  expect(await colour(dropped)).toBe('blue');

  write('tsgun.config.mjs', config([kept, added], "env: { COLOUR: 'red' }, workers: 2, backlog: 200"));
  tsgun.signal('SIGHUP');
  expect(await tsgun.waitFor('rollout')).toMatchObject({ outcome: 'done' });
  expect(await colour(kept)).toBe('red');
  expect(await colour(added)).toBe('red');
  expect(tsgun.workers()).toHaveLength(2);
  await until(() => !existsSync(String(dropped)), 'the dropped socket is gone');
  expect(tsgun.records('warning').map(({ msg }) => msg)).toContainEqual(
    'backlog is 200 in tsgun.config.mjs, but stays 100: it cannot change at a reload',
  );
  await tsgun.stop();
  for (const path of [kept, added]) expect(existsSync(String(path))).toBe(false);
});

test.for([
  ['that throws', 'throw new Error("no settings today");', /tsgun\.config\.mjs:1: Error: no settings today/],
  ['with an unknown setting', 'export default { wrokers: 3 };', /unknown setting "wrokers".*workers/],
  ['that ends its process', 'process.exit(3);', /process\.exit\(3\)/],
  ['of which nothing is left', undefined, /no such configuration file/],
] as const)('a configuration file %s changes nothing', async ([, broken, reason]) => {
  const files = { 'app.js': version('old'), 'tsgun.config.mjs': 'export default { whenReady: () => {} };' };
  const args = ['--config', 'tsgun.config.mjs'];
  const own = await startReloadable(files, 2, args);
  const pids = own.tsgun.workers();
  if (broken === undefined) rmSync(join(own.dir, 'tsgun.config.mjs'));
  else own.deploy(broken, 'tsgun.config.mjs');
  const { code, stdout, stderr } = await own.command('reload');
  expect(code).toBe(1);
  expect(stdout + stderr).toMatch(reason);
  expect(own.tsgun.workers()).toEqual(pids);
  expect(await own.versions()).toEqual(new Set(['old']));
});

test('a new socket that is taken changes nothing', async () => {
  const other = await startReloadable(version('other'), 1);
  const dir = tempDir();
  const own = join(tempDir(), 'own.sock');
  const write = (binds: string[]): void =>
    writeFileSync(join(dir, 'tsgun.config.json'), JSON.stringify({ app: 'app.js', bind: binds }));
  writeFileSync(join(dir, 'app.js'), version('old'));
  write([`unix:${own}`]);
  const tsgun = startTsgun([], { cwd: dir });
  await tsgun.ready();
  write([`unix:${own}`, `unix:${join(dir, 'new.sock')}`, other.tsgun.address]);
  tsgun.signal('SIGHUP');
  expect(await tsgun.waitFor('rollout')).toMatchObject({ outcome: 'failed', msg: expect.stringMatching(/in use/) });
  expect(existsSync(join(dir, 'new.sock'))).toBe(false);
  expect((await get(`unix:${own}`)).status).toBe(200);
});

test('WINCH sends all workers away and keeps the sockets; TTIN and HUP bring them back', async () => {
  const { tsgun } = await startReloadable(version(0), 2);
  for (const back of ['SIGTTIN', 'SIGHUP'] as const) {
    const since = tsgun.mark();
    tsgun.signal('SIGWINCH');
    await tsgun.waitFor('exited', { since, count: 2 });
    const waiting = tsgun.get();
    tsgun.signal(back);
    expect((await waiting).status).toBe(200);
    await tsgun.waitFor('serving', { since, count: 2 });
  }
});

test('USR1 opens the log file anew', async () => {
  const log = join(tempDir(), 'tsgun.log');
  const dir = tempApp(version(0));
  const tsgun = startTsgun(['app.js', '-b', '127.0.0.1:0', '--error-logfile', log], { cwd: dir });
  const has = (file: string, event: string) => existsSync(file) && readFileSync(file, 'utf8').includes(`"${event}"`);
  await until(() => has(log, 'ready'), 'it is ready');
  renameSync(log, `${log}.1`);
  tsgun.signal('SIGUSR1');
  await until(() => existsSync(log), 'the file is there again');
  tsgun.signal('SIGTTIN');
  await until(() => has(log, 'scale'), 'the line is in the new file');
  expect(has(`${log}.1`, 'scale')).toBe(false);
});

test('--drain-delay: on TERM it serves on while readyz fails, and INT does not wait', async () => {
  const { tsgun, command } = await startReloadable(version(0), 1, ['--drain-delay', '0.8']);
  const begun = performance.now();
  tsgun.signal('SIGTERM');
  await tsgun.waitFor('stop');
  expect((await tsgun.get()).status).toBe(200);
  expect(JSON.parse((await command('status', '--json')).stdout)).toMatchObject({ ready: false, state: 'stopping' });
  expect((await tsgun.exit).code).toBe(0);
  expect(performance.now() - begun).toBeGreaterThan(750);
  const other = await startReloadable(version(0), 1, ['--drain-delay', '30']);
  other.tsgun.signal('SIGTERM');
  await other.tsgun.waitFor('stop');
  other.tsgun.signal('SIGINT');
  expect((await other.tsgun.exit).code).toBe(0);
});

test('--max-lifetime replaces workers one at a time, and loses nothing', async () => {
  const { tsgun } = await startReloadable(version(0), 2, ['--max-lifetime', '0.5', '--max-lifetime-jitter', '0.2']);
  const load = new LoadClient({ target: tsgun.target, connections: 8, thinkMs: [0, 20] });
  await tsgun.waitFor('exited', { count: 6, timeoutMs: 30_000 });
  expectNoneLost(await load.stop());
  expect(tsgun.records('drain').map(({ reason }) => reason)).toContain('lifetime');
});

test('a worker can be killed by a stop in the middle of a reload: nothing is left behind', async () => {
  for (const signals of [
    ['SIGHUP', 'SIGTERM'],
    ['SIGTERM', 'SIGHUP'],
    ['SIGTTIN', 'SIGHUP', 'SIGTERM'],
  ] as const) {
    for (const gapMs of [0, 10, 50]) {
      const { tsgun } = await startReloadable(version(0), 2);
      for (const signal of signals) {
        if (tsgun.ended === undefined && alive(tsgun.pid)) tsgun.signal(signal);
        await new Promise((resolve) => setTimeout(resolve, gapMs));
      }
      expect((await tsgun.exit).code).toBe(0);
      expect(tsgun.family()).toEqual([]);
    }
  }
});
