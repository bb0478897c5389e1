import { execFile } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';
import { tempApp, tempDir, writeApp } from '../helpers/temp.ts';

const root = join(import.meta.dirname, '../..');
const node = process.env.TSGUN_TEST_NODE ?? process.execPath;

/**
 * Prints what the loader makes of the command line, again for each of $RELOADS. It is bundled as the executables are, and
 * run by Node itself: what `import()` does there differs between the Node lines.
 */
const source = `
import { loadConfig } from '${root}/src/config/load.ts';
import { rereadConfig } from '${root}/src/config/reread.ts';

async function main() {
  for (let reading = 0; reading <= Number(process.env.RELOADS); reading++) {
    const options = { argv: process.argv.slice(2), env: process.env, cwd: process.cwd() };
    const read = () => (reading === 0 ? loadConfig(options) : rereadConfig(options.argv, options.env, options.cwd));
    const told = await read().then(
      ({ config, sources }) => ({ config, sources, hook: typeof config.onExit }),
      (error) => ({ failure: error.line, exitCode: error.exitCode }),
    );
    console.log(JSON.stringify(told));
  }
}
void main();
`;

let program: string;

beforeAll(async () => {
  const dir = tempDir();
  const bundle = await rolldown({
    input: writeApp(dir, { 'program.ts': source }),
    platform: 'node',
    external: /^[a-z@]/,
  });
  await bundle.write({ dir, format: 'cjs', entryFileNames: 'program.cjs' });
  program = join(dir, 'program.cjs');
});

const run = promisify(execFile);

/** What the loader says in a directory with these files, once for each reading. */
async function readings(
  files: Record<string, string>,
  { args = [] as string[], reloads = 0, dir = tempApp(files) } = {},
) {
  const env = { PATH: process.env.PATH, RELOADS: String(reloads), NODE_NO_WARNINGS: '1' };
  const { stdout } = await run(node, [program, 'app.js', ...args], { cwd: dir, env });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const reading = async (...args: Parameters<typeof readings>) => (await readings(...args))[0];

const wrong = (line: string | RegExp) => ({
  failure: typeof line === 'string' ? line : expect.stringMatching(line),
  exitCode: 1,
});

describe('a configuration file', () => {
  it.each([
    ['tsgun.config.mjs', 'export default { workers: 3 }'],
    ['tsgun.config.js', 'const workers = 3; export default () => ({ workers })'],
    ['tsgun.config.js', 'module.exports = { workers: 3 }'],
    ['tsgun.config.cjs', 'module.exports = async () => ({ workers: 3 })'],
    ['tsgun.config.cjs', 'exports.__esModule = true; exports.default = { workers: 3 }'],
    ['tsgun.config.mjs', 'export default await Promise.resolve({ workers: 3 })'],
    ['tsgun.config.json', '{ "workers": 3 }'],
  ])('%s: %s', async (name, text) => {
    expect(await reading({ [name]: text })).toMatchObject({
      config: { workers: 3 },
      sources: { workers: `file ${name}` },
    });
  });

  it('is found by --config under any name', async () => {
    const files = { 'deploy/shop.mjs': 'export default { workers: 3 }' };
    expect(await reading(files, { args: ['-c', 'deploy/shop.mjs'] })).toMatchObject({
      config: { workers: 3 },
      sources: { workers: 'file deploy/shop.mjs' },
    });
  });

  it('brings functions for hooks', async () => {
    expect(await reading({ 'tsgun.config.mjs': 'export default { on_exit() {} }' })).toMatchObject({
      hook: 'function',
    });
  });

  it.each([
    [
      'tsgun.config.mjs',
      'export default (() => {\n  throw new TypeError("no\\nway");\n})()',
      'tsgun.config.mjs:2: TypeError: no',
    ],
    ['tsgun.config.cjs', '\n\nnull.x', /^tsgun\.config\.cjs:3: TypeError: Cannot read/],
    [
      'tsgun.config.mjs',
      'export default async () => {\n  return undefined.x;\n}',
      /^tsgun\.config\.mjs:2: TypeError: Cannot read/,
    ],
    [
      'tsgun.config.mjs',
      'export default {\n  workers: 4,,\n}',
      "tsgun.config.mjs:2: SyntaxError: Unexpected token ','",
    ],
    ['tsgun.config.json', '{\n  "workers": 4,,\n}', /^tsgun\.config\.json:2: SyntaxError: Expected double-quoted/],
    ['tsgun.config.mjs', 'import "./absent.mjs";\nexport default {}', /^tsgun\.config\.mjs: Error: Cannot find module/],
    ['tsgun.config.mjs', 'throw "a text"', 'tsgun.config.mjs: it threw "a text" (string)'],
    [
      'tsgun.config.mjs',
      'export const workers = 4',
      'tsgun.config.mjs: expected an object of settings, got undefined; hint: export default { workers: 4 }',
    ],
    ['tsgun.config.mjs', 'export default [1]', /got an array/],
  ])('%s that is broken is told in one line: %j', async (name, text, line) => {
    expect(await reading({ [name]: text })).toEqual(wrong(line));
  });

  it.each(['js', 'cjs'])('.%s is run anew at each reading', async (type) => {
    const load = type === 'cjs' ? "const fs = require('node:fs');" : "import fs from 'node:fs';";
    const counted = "const count = Number(fs.readFileSync('count')) + 1; fs.writeFileSync('count', String(count));";
    const body = type === 'cjs' ? 'module.exports =' : 'export default';
    const text = `${load} ${counted} ${body} { workers: count };`;
    const all = await readings({ [`tsgun.config.${type}`]: text, count: '0' }, { reloads: 2 });
    expect(all.map(({ config }) => config.workers)).toEqual([1, 2, 3]);
  });

  it.each(['js', 'cjs'])('.%s with a hook: the function of each reading is there', async (type) => {
    const body = type === 'cjs' ? 'module.exports =' : 'export default';
    const all = await readings({ [`tsgun.config.${type}`]: `${body} { workers: 2, onExit() {} };` }, { reloads: 2 });
    expect(all.map(({ config, hook }) => [config.workers, hook])).toEqual(Array(3).fill([2, 'function']));
  });

  it.each([
    ['takes for ever', 'for (;;);', /^tsgun\.config\.mjs: it has not ended within 10 s/],
    ['ends its process', 'process.exit(3);', /^tsgun\.config\.mjs: it ended its process with exit code 3/],
    ['kills its process', 'process.kill(process.pid, "SIGKILL"); await 0;', /^tsgun\.config\.mjs: .*SIGKILL/],
    ['throws', '\nthrow new TypeError("later");', /^tsgun\.config\.mjs:2: TypeError: later/],
    ['leaves timers behind', 'setInterval(() => {}, 1000); export default { workers: 5 };', undefined],
    ['writes a lot', 'console.log("x".repeat(1e6)); export default { workers: 5 };', undefined],
  ])('one that, read anew, %s', async (_, text, failure) => {
    const first = `import fs from 'node:fs'; fs.writeFileSync('tsgun.config.mjs', ${JSON.stringify(text)});`;
    const files = { 'tsgun.config.mjs': `${first} export default { workers: 4 };` };
    const [before, after] = await readings(files, { reloads: 1 });
    expect(before.config.workers).toBe(4);
    if (failure) expect(after).toEqual({ failure: expect.stringMatching(failure), exitCode: 1 });
    else expect(after.config.workers).toBe(5);
  });
});

describe('a configuration file in TypeScript', () => {
  const files = { 'tsgun.config.ts': 'const workers: number = 3;\nexport default { workers };' };

  it('runs where Node strips types or the project has tsx', async () => {
    const dir = tempApp({ ...files, 'node_modules/x': '', 'package.json': '{ "type": "module" }' });
    symlinkSync(join(root, 'node_modules/tsx'), join(dir, 'node_modules/tsx'));
    expect(await reading(files, { dir })).toMatchObject({ config: { workers: 3 } });
  });

  it('is refused in one line where neither is there', async () => {
    const { stdout } = await run(node, ['-p', 'Boolean(process.features.typescript)']);
    const result = await reading(files);
    if (stdout.trim() === 'true') expect(result).toMatchObject({ config: { workers: 3 } });
    else
      expect(result).toEqual(
        wrong(/^tsgun\.config\.ts: Node 20\.\S+ does not run TypeScript; hint: use Node 22\.18 or newer, add tsx/),
      );
  });

  it('names what type stripping cannot do', async () => {
    const result = await reading({ 'tsgun.config.ts': 'enum A { B }\nexport default {};' });
    expect(result).toEqual(
      wrong(
        /^tsgun\.config\.ts(:1: SyntaxError: .*enum.*; hint: Node only strips types|: Node 20\.\S+ does not run TypeScript)/,
      ),
    );
  });
});
