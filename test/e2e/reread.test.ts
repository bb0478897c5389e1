import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { bundleProgram } from '../helpers/bundle.ts';
import { until } from '../helpers/proc.ts';
import { tempApp } from '../helpers/temp.ts';
import { startTsgun, type Tsgun } from '../helpers/tsgun.ts';

const root = join(import.meta.dirname, '../..');

/** Reads the configuration, and again at each HUP; tells what it has read. */
const source = `
import { loadConfig } from '${root}/src/config/load.ts';
import { rereadConfig } from '${root}/src/config/reread.ts';

const tell = (told) => console.error(JSON.stringify(told));
const read = (reading) => reading.then(
  ({ config, directory, origin }) => {
    tell({ event: 'read', workers: config.workers, hook: config.onExit?.(), directory });
    return origin;
  },
  (error) => tell({ event: 'failed', line: error.line ?? error.stack }),
);
const first = read(loadConfig({ argv: process.argv.slice(2), env: process.env, cwd: process.cwd() }));
process.on('SIGTERM', () => process.exit(0));
process.on('SIGQUIT', () => process.exit(0));
process.on('SIGHUP', () => {
  void first.then((origin) => read(rereadConfig(origin)));
});
setInterval(() => {}, 1000);
`;

let program: string;

beforeEach(async () => {
  program = await bundleProgram(source);
});

async function start(dir: string): Promise<Tsgun> {
  const started = startTsgun(['app.js'], { cwd: dir, program, env: { PWD: dir, NODE_NO_WARNINGS: '1' } });
  await started.waitFor('read');
  return started;
}

/** The next thing that it tells after a HUP. */
async function reread(running: Tsgun) {
  const since = running.mark();
  running.signal('SIGHUP');
  return running.waitFor(({ event }) => event === 'read' || event === 'failed', { since });
}

describe('a running tsgun reads its configuration anew', () => {
  it.each([
    ['mjs', 'export default', 'console.log("noise"); console.error("noise");'],
    ['cjs', 'module.exports =', 'console.log("noise"); console.error("noise");'],
    ['js', 'export default', ''],
  ])(
    '.%s, with its hooks, when its own folder and the old working directory are gone',
    async (type, exported, noise) => {
      const text = (n: number) => `${exported} { workers: ${n}, onExit: () => 'hook ${n}' }`;
      const dir = tempApp({
        [`one/tsgun.config.${type}`]: text(1),
        [`two/tsgun.config.${type}`]: `${noise}\n${text(2)}`,
      });
      const current = join(dir, 'current');
      symlinkSync('one', current);
      const running = await start(current);
      rmSync(dirname(program), { recursive: true });
      rmSync(current);
      symlinkSync('two', current);
      rmSync(join(dir, 'one'), { recursive: true });
      expect(await reread(running)).toMatchObject({ workers: 2, hook: 'hook 2', directory: join(dir, 'two') });

      writeFileSync(join(dir, `two/tsgun.config.${type}`), text(3));
      expect(await reread(running)).toMatchObject({ workers: 3, hook: 'hook 3' });
      expect(running.stdout()).toBe(noise === '' ? '' : 'noise\n'); // of the import for the hooks

      writeFileSync(join(dir, `two/tsgun.config.${type}`), '\nthrow new Error("no")');
      expect(await reread(running)).toMatchObject({ event: 'failed', line: `tsgun.config.${type}:2: Error: no` });
      rmSync(current);
      expect(await reread(running)).toMatchObject({ line: `the working directory: ${current} is missing` });
      expect(running.family()).toEqual([running.pid]);
    },
  );

  it('says nothing of what a file without hooks says', async () => {
    const dir = tempApp({ 'tsgun.config.mjs': 'export default {}' });
    const running = await start(dir);
    writeFileSync(
      join(dir, 'tsgun.config.mjs'),
      'console.log("noise"); console.error("noise"); export default { workers: 2 }',
    );
    expect(await reread(running)).toMatchObject({ workers: 2 });
    expect(running.stdout() + running.stderr()).not.toContain('noise');
  });

  it('and takes the file along that it runs when it ends', async () => {
    const dir = tempApp({ 'tsgun.config.mjs': 'export default {}' });
    const running = await start(dir);
    writeFileSync(join(dir, 'tsgun.config.mjs'), 'for (;;);');
    running.signal('SIGHUP');
    await until(() => running.family().length === 2, 'the file should run');
    running.signal('SIGTERM');
    await running.exit;
    await until(() => running.family().length === 0, 'it should be gone');
  });
});

describe('TypeScript', () => {
  it('is read anew by Node or by tsx', async () => {
    const text = (n: number) =>
      `const workers: number = ${n};\nexport default { workers, onExit: (): string => 'hook ${n}' };`;
    const dir = tempApp({ 'tsgun.config.ts': text(1), 'package.json': '{ "type": "module" }', 'node_modules/x': '' });
    symlinkSync(join(root, 'node_modules/tsx'), join(dir, 'node_modules/tsx'));
    const running = await start(dir);
    writeFileSync(join(dir, 'tsgun.config.ts'), text(2));
    expect(await reread(running)).toMatchObject({ workers: 2, hook: 'hook 2' });
    writeFileSync(join(dir, 'tsgun.config.ts'), 'export default {};\nconst a: number = null.x;');
    expect(await reread(running)).toMatchObject({
      line: expect.stringMatching(/^tsgun\.config\.ts:[12]: TypeError: /),
    });
  });
});
