/** What is odd at a reload is that reload's failure, and nothing more. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../helpers/proc.ts';
import { freePort } from '../helpers/program.ts';
import { pointTo, version } from '../helpers/reload.ts';
import { tempDir, writeApp } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';

test('a working directory that leads to itself is one clear line, and the next reload works', async () => {
  const base = tempDir();
  const current = join(base, 'current');
  mkdirSync(join(base, 'one'));
  writeApp(join(base, 'one'), version(1));
  pointTo(current, 'one');
  const tsgun = startTsgun(['app.js', '-b', '127.0.0.1:0'], { cwd: current, env: { PWD: current } });
  await tsgun.ready();
  const pids = tsgun.workers();
  pointTo(current, 'current');
  tsgun.signal('SIGHUP');
  const { outcome, msg } = await tsgun.waitFor('rollout');
  expect(outcome).toBe('failed');
  expect(msg).toMatch(/the working directory: .*current cannot be entered: ELOOP.*; generation 1 serves on/);
  expect(tsgun.workers()).toEqual(pids);
  expect((await tsgun.get()).status).toBe(200);
  pointTo(current, 'one');
  const since = tsgun.mark();
  tsgun.signal('SIGHUP');
  expect(await tsgun.waitFor('rollout', { since })).toMatchObject({ outcome: 'done' });
  expect(tsgun.records('bug')).toEqual([]);
});

test('HUP while the hook before the start runs waits for the start', async () => {
  const dir = tempDir();
  writeApp(dir, {
    'app.js': version(1),
    'tsgun.config.mjs': `import fs from 'node:fs';
    export default {
      app: 'app.js', bind: '127.0.0.1:${await freePort()}',
      onStarting: () => new Promise((resolve) => { fs.writeFileSync('begun', ''); setTimeout(resolve, 1500); }),
    };`,
  });
  const tsgun = startTsgun([], { cwd: dir });
  await until(() => existsSync(join(dir, 'begun')), 'the hook runs');
  tsgun.signal('SIGHUP');
  expect(await tsgun.waitFor('rollout')).toMatchObject({ outcome: 'done', generation: 2 });
  expect((await tsgun.get()).status).toBe(200);
});
