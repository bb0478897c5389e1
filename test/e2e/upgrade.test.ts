/** USR2: a new master takes the place of the old one, or the old one carries on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { tempApp } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';
import { stopMaster, upgrade } from '../helpers/upgrade.ts';

const usual = ['app.js', '-w', '2', '--upgrade', 'force', '--drain-linger', '1', '--graceful-timeout', '5'];

test('a new master takes over, and the old one leaves', async () => {
  const cwd = tempApp(hello);
  const tsgun = await startTsgun([...usual, '-b', '127.0.0.1:0', '-p', 'pid'], { cwd }).ready(2);
  const { pid } = await upgrade(tsgun);
  expect(await tsgun.exit).toEqual({ code: 0, signal: null });
  expect(readFileSync(join(cwd, 'pid'), 'utf8')).toBe(`${pid}\n`);
  expect((await tsgun.get()).status).toBe(200);
  await stopMaster(pid);
});
