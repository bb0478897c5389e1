/** tsgun in a release's own node_modules: it outlives the release that it was started from. */
import { cpSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { LoadClient } from '../helpers/load-client.ts';
import { tempDir, writeApp } from '../helpers/temp.ts';
import { startTsgun, type Tsgun } from '../helpers/tsgun.ts';

const root = join(import.meta.dirname, '../..');

/** Makes a release, and lets `current` point to it. `version`: of its tsgun; absent: it has none. */
function deploy(base: string, release: string, version?: string): void {
  const folder = join(base, release);
  writeApp(folder, hello);
  if (version !== undefined) {
    const tsgun = join(folder, 'node_modules/tsgun');
    mkdirSync(tsgun, { recursive: true });
    for (const part of ['bin', 'dist']) cpSync(join(root, part), join(tsgun, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(tsgun, 'node_modules'));
    writeFileSync(join(tsgun, 'package.json'), JSON.stringify({ name: 'tsgun', version }));
  }
  symlinkSync(release, join(base, 'next'));
  renameSync(join(base, 'next'), join(base, 'current'));
}

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** Two workers of the first release, as its start script would start them. */
async function startRelease(): Promise<{ base: string; tsgun: Tsgun }> {
  const base = tempDir();
  deploy(base, 'one', version);
  const current = join(base, 'current');
  const program = join(current, 'node_modules/tsgun/bin/tsgun.js');
  const tsgun = startTsgun(['app.js', '-b', '127.0.0.1:0', '-w', '2'], {
    cwd: current,
    env: { PWD: current },
    program,
  });
  return { base, tsgun: await tsgun.ready(2) };
}

function killOne(tsgun: Tsgun): void {
  process.kill(tsgun.workers()[0] as number, 'SIGKILL');
}

test('the old release is deleted: a worker that dies is replaced from the new one', async () => {
  const { base, tsgun } = await startRelease();
  deploy(base, 'two', version);
  rmSync(join(base, 'one'), { recursive: true });
  for (let death = 1; death <= 2; death++) {
    const mark = tsgun.mark();
    killOne(tsgun);
    const { pid } = await tsgun.waitFor('serving', { since: mark });
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    expect(environment).toContain(`PWD=${join(base, 'current')}`);
  }
  expect(tsgun.records('notice').filter(({ level }) => level === 'warn')).toEqual([]);
  expect((await tsgun.get('/')).status).toBe(200);
});

test.for([
  ['no tsgun', undefined, (base: string) => `, and there are none in ${base}/current/node_modules/tsgun`],
  [
    'another tsgun',
    '99.0.0',
    (base: string, pid: number) =>
      `, and ${base}/current/node_modules/tsgun has version 99.0.0; kill -USR2 ${pid} upgrades the master`,
  ],
] as const)(
  'the old release is deleted and the new one has %s: the log says so, and the others serve on',
  async ([, newVersion, why]) => {
    const { base, tsgun } = await startRelease();
    deploy(base, 'two', newVersion);
    rmSync(join(base, 'one'), { recursive: true });
    killOne(tsgun);
    const { cause } = await tsgun.waitFor(({ event, pid }) => event === 'exited' && pid === undefined);
    const gone = `the files of the running tsgun ${version} are gone from ${base}/one/node_modules/tsgun`;
    expect(cause).toBe(`could not be started: ${gone}${why(base, tsgun.pid)}`);
    expect(tsgun.stderr()).not.toContain('MODULE_NOT_FOUND');
    const load = new LoadClient({ target: tsgun.address, connections: 2, requests: 50 });
    expect((await load.done).failures).toBe(0);
    // When it is there after all, the next try finds it.
    deploy(base, 'three', version);
    await tsgun.waitFor('serving', { count: 3 });
  },
);

test('the old release stays: who dies is replaced from it; a reload starts workers of the running tsgun, with a warning', async () => {
  const { base, tsgun } = await startRelease();
  deploy(base, 'two', '99.0.0');
  killOne(tsgun);
  const replacement = await tsgun.waitFor('serving', { count: 3 });
  expect(readlinkSync(`/proc/${replacement.pid}/cwd`)).toBe(join(base, 'one'));
  tsgun.signal('SIGHUP');
  expect(await tsgun.waitFor('rollout')).toMatchObject({ outcome: 'done' });
  const warnings = tsgun.records('notice').filter(({ level }) => level === 'warn');
  const [own, other] = ['one', 'current'].map((release) => join(base, release, 'node_modules/tsgun'));
  expect([...new Set(warnings.map(({ msg }) => msg))]).toEqual([
    `workers are started from ${own}: ${other} has tsgun 99.0.0, not ${version}; kill -USR2 ${tsgun.pid} upgrades the master`,
  ]);
});
