import { execFile } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleProgram } from '../helpers/bundle.ts';
import { tempApp } from '../helpers/temp.ts';

const root = join(import.meta.dirname, '../..');
const node = process.env.TSGUN_TEST_NODE ?? process.execPath;

/** Prints what the loader makes of the command line. */
const source = `
import { loadConfig } from '${root}/src/config/load.ts';

loadConfig({ argv: process.argv.slice(2), env: process.env, cwd: process.cwd() })
  .then(
    ({ config, sources }) => ({ config, sources, hook: typeof config.onExit }),
    (error) => ({ failure: error.line, exitCode: error.exitCode }),
  )
  .then((told) => console.log(JSON.stringify(told)));
`;

let program: string;

beforeAll(async () => {
  program = await bundleProgram(source);
});

const run = promisify(execFile);

/** What the loader says in a directory with these files. */
async function reading(files: Record<string, string>, { args = [] as string[], dir = tempApp(files) } = {}) {
  const env = { PATH: process.env.PATH, NODE_NO_WARNINGS: '1' };
  const { stdout } = await run(node, [program, 'app.js', ...args], { cwd: dir, env });
  return JSON.parse(stdout);
}

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
