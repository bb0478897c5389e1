/** A socket that the user names and the program asks for as well stays for as long as either wants it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { get } from '../helpers/http.ts';
import { freePort } from '../helpers/program.ts';
import { tempDir } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';

/** A program that listens by itself, and a configuration file beside it. */
async function startProgram(bind: boolean) {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const dir = tempDir();
  const good = `require('http').createServer((req, res) => res.end('served')).listen(${port}, '127.0.0.1');`;
  const deploy = (source: string): void => writeFileSync(join(dir, 'app.js'), source);
  const configure = (named: boolean): void =>
    writeFileSync(
      join(dir, 'tsgun.config.json'),
      JSON.stringify({ app: 'app.js', ...(named ? { bind: address } : {}) }),
    );
  deploy(good);
  configure(bind);
  const tsgun = await startTsgun(['-w', '2', '--drain-linger', '0'], { cwd: dir }).ready(2);
  const reload = async () => {
    const since = tsgun.mark();
    tsgun.signal('SIGHUP');
    return tsgun.waitFor('rollout', { since });
  };
  const expectReplaced = async () => {
    const since = tsgun.mark();
    process.kill(tsgun.workers()[0]!, 'SIGKILL');
    const next = await tsgun.waitFor(({ event }) => event === 'serving' || event === 'failed', { since });
    expect(next).toMatchObject({ event: 'serving' });
    expect((await get(address)).body.toString()).toBe('served');
  };
  return { deploy, good, configure, reload, expectReplaced, tsgun };
}

test('named by a reload that fails: workers can still be replaced', async () => {
  const { deploy, good, configure, reload, expectReplaced } = await startProgram(false);
  configure(true);
  deploy(`throw new Error('broken');`);
  expect(await reload()).toMatchObject({ outcome: 'failed' });
  deploy(good);
  await expectReplaced();
});

test('no longer named, but asked for by the program: workers can still be replaced', async () => {
  const { configure, reload, expectReplaced, tsgun } = await startProgram(true);
  configure(false);
  expect(await reload()).toMatchObject({ outcome: 'done' });
  await tsgun.waitFor('exited', { count: 2 });
  await expectReplaced();
});
