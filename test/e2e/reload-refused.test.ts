/** What is odd at a reload is that reload's failure, and nothing more. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
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
