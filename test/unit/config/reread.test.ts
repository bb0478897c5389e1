import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { rereadConfig } from '../../../src/config/reread.ts';
import { type Key, settings } from '../../../src/config/settings.ts';
import { reloaded, unchangeable } from '../../../src/config/unchangeable.ts';
import { TsgunError } from '../../../src/errors.ts';
import { marked, until } from '../../helpers/proc.ts';
import { MARKER } from '../../helpers/running.ts';
import { tempApp, tempDir } from '../../helpers/temp.ts';

/** In the environment of all children of a test. */
let marker: string;
let tests = 0;

beforeEach(() => {
  marker = `reread-${process.pid}-${++tests}`;
  const here = process.cwd();
  onTestFinished(async () => {
    process.chdir(here);
    await until(() => marked(MARKER, marker).length === 0, 'the children should be gone');
  });
});

interface Given {
  args?: string[];
  env?: Record<string, string>;
  dir?: string;
}

/** The first reading, in a directory with these files. */
function load(files: Record<string, string>, { args = ['app.js'], env = {}, dir = tempApp(files) }: Given = {}) {
  const { PATH = '' } = process.env;
  return loadConfig({ argv: args, env: { PATH, [MARKER]: marker, ...env }, cwd: dir });
}

/** What a second reading says when the file has changed to this. */
async function refused(name: string, text: string, limitMs?: number): Promise<string> {
  const { origin } = await load({ x: '' });
  writeFileSync(join(origin.cwd, name), text);
  const result = await rereadConfig(origin, limitMs).catch((error: unknown) => error);
  if (result instanceof TsgunError) return `${result.code}: ${result.line}`;
  throw result;
}

describe('a second reading', () => {
  it.each([
    ['tsgun.config.mjs', 'export default { workers: 3, on_exit() {} }'],
    ['tsgun.config.js', 'export default async () => ({ workers: 3, bind: [":1"], env: { A: 1 } })'],
    ['tsgun.config.cjs', 'module.exports = { graceful_timeout: "5m", onStarting: () => {}, name: undefined }'],
    ['tsgun.config.cjs', 'exports.__esModule = true; exports.default = { workers: 3 }'],
    ['tsgun.config.mjs', 'process.env.A = "set"; delete process.env.B; export default { workers: 3 }'],
    ['tsgun.config.mjs', 'export default { workers: process.argv.length }'],
    ['tsgun.config.json', '{ "workers": 3, "chdir": "." }'],
  ])('is the same as the first when nothing has changed: %s: %s', async (name, text) => {
    process.env.B = 'gone';
    const first = await loadConfig({ argv: ['app.js'], env: process.env, cwd: tempApp({ [name]: text }) });
    onTestFinished(() => {
      for (const name of ['A', 'B']) delete process.env[name];
    });
    const second = await rereadConfig(first.origin);
    const { onExit, onStarting, ...config } = second.config;
    expect(config).toEqual({ ...first.config, onExit: undefined, onStarting: undefined });
    expect([String(onExit), String(onStarting)]).toEqual([first.config.onExit, first.config.onStarting].map(String));
    expect({ ...second, config, origin: {} }).toEqual({ ...first, config, origin: {} });
    expect(unchangeable(first, second)).toEqual([]);
  });

  it('has what files say now: the configuration, what it imports, the files of variables', async () => {
    const first = await load(
      {
        'tsgun.config.mjs': 'import { workers } from "./workers.mjs"; export default { workers, name: "a" }',
        'workers.mjs': 'export const workers = 2;',
        'a.env': 'A=1\nB=1',
      },
      { args: ['app.js', '--env-file', 'a.env'], env: { C: 'tsgun' } },
    );
    writeFileSync(join(first.cwd, 'workers.mjs'), 'export const workers = 5;');
    writeFileSync(join(first.cwd, 'a.env'), 'B=2');
    const second = await rereadConfig(first.origin);
    expect([first.config.workers, second.config.workers]).toEqual([2, 5]);
    expect(first.childEnv).toMatchObject({ A: '1', B: '1', C: 'tsgun' });
    expect(second.childEnv).toMatchObject({ B: '2', C: 'tsgun' });
    expect(second.childEnv).not.toHaveProperty('A');
  });

  it('finds a file that came, and misses one that went', async () => {
    const first = await load({ 'tsgun.config.json': '{ "workers": 3 }' });
    renameSync(join(first.cwd, 'tsgun.config.json'), join(first.cwd, 'x.json'));
    writeFileSync(join(first.cwd, 'tsgun.config.cjs'), 'module.exports = { workers: 4 }');
    const second = await rereadConfig(first.origin);
    expect([second.config.workers, second.sources.workers]).toEqual([4, 'file tsgun.config.cjs']);
    rmSync(join(first.cwd, 'tsgun.config.cjs'));
    const third = await rereadConfig(second.origin);
    expect([third.config.workers, third.sources.workers, third.configFile]).toEqual([1, 'default', undefined]);
  });

  it('keeps the command line, its precedence and that of TSGUN_CMD_ARGS', async () => {
    const given = { args: ['app.js', '-w', '2'], env: { TSGUN_CMD_ARGS: '-w 7 --keep-alive 7' } };
    const { origin } = await load({ x: '' }, given);
    writeFileSync(
      join(origin.cwd, 'tsgun.config.mjs'),
      'export default { workers: 9, keepAlive: 9, gracefulTimeout: 9 }',
    );
    expect((await rereadConfig(origin)).config).toMatchObject({ workers: 2, keepAlive: 7, gracefulTimeout: 9 });
  });

  it('leaves nothing that the file has set in the environment of the master', async () => {
    const text = 'process.env.TSGUN_TEST_SET = "1"; console.log("noise"); export default {}';
    const { origin } = await load({ x: '' });
    writeFileSync(join(origin.cwd, 'tsgun.config.mjs'), text);
    expect((await rereadConfig(origin)).childEnv.TSGUN_TEST_SET).toBe('1');
    writeFileSync(join(origin.cwd, 'tsgun.config.mjs'), 'export default {}');
    expect((await rereadConfig(origin)).childEnv).not.toHaveProperty('TSGUN_TEST_SET');
    expect(process.env.TSGUN_TEST_SET).toBeUndefined();
  });
});

describe('a file that is broken is told in one line', () => {
  it.each([
    ['tsgun.config.mjs', 'let a;\nprocess.exit(3);', 'tsgun.config.mjs:2: it calls process.exit(3)'],
    [
      'tsgun.config.cjs',
      'setTimeout(() => process.exit(), 5);\nmodule.exports = () => new Promise(() => {})',
      'tsgun.config.cjs:1: it calls process.exit()',
    ],
    [
      'tsgun.config.mjs',
      'export default (() => {\n  throw new TypeError("no\\nway");\n})()',
      'tsgun.config.mjs:2: TypeError: no',
    ],
    ['tsgun.config.mjs', 'throw "a text"', 'tsgun.config.mjs: it threw "a text" (string)'],
    ['tsgun.config.mjs', 'throw undefined', 'tsgun.config.mjs: it threw undefined'],
    ['tsgun.config.mjs', 'throw { a() {}, [Symbol("x")]: 1 }', 'tsgun.config.mjs: it threw an object with keys a'],
    [
      'tsgun.config.mjs',
      'throw Object.assign(new Error(), { message: Symbol("x"), stack: null })',
      'tsgun.config.mjs: Error: Symbol(x)',
    ],
    [
      'tsgun.config.mjs',
      'import fs from "node:fs";\nfs.readFileSync("/nowhere");\nexport default {}',
      'tsgun.config.mjs:2: no such file',
    ],
    [
      'tsgun.config.mjs',
      'export default {\n  workers: 4,,\n}',
      "tsgun.config.mjs:2: SyntaxError: Unexpected token ','",
    ],
    ['tsgun.config.cjs', '\nmodule.exports = {', 'tsgun.config.cjs:2: SyntaxError: Unexpected end of input'],
    ['tsgun.config.json', '{\n  "workers": ', 'tsgun.config.json: SyntaxError: Unexpected end of JSON input'],
    [
      'tsgun.config.cjs',
      'Promise.reject(new RangeError("later"));\nmodule.exports = () => new Promise(() => {})',
      'tsgun.config.cjs:1: RangeError: later',
    ],
    [
      'tsgun.config.mjs',
      'setTimeout(() => {\n  null.x;\n}, 1);\nawait new Promise(() => {})',
      /^config: tsgun\.config\.mjs:2: TypeError: Cannot read/,
    ],
    [
      'tsgun.config.mjs',
      'await new Promise(() => {})',
      'tsgun.config.mjs: it waits for a promise that nothing can settle',
    ],
    [
      'tsgun.config.mjs',
      'export default () => new Promise(() => {})',
      'tsgun.config.mjs: it waits for a promise that nothing can settle',
    ],
    [
      'tsgun.config.mjs',
      'export const workers = 4',
      /^config: tsgun\.config\.mjs: expected an object of settings, got undefined; hint: export default/,
    ],
    ['tsgun.config.mjs', 'export default [1]', /: expected an object of settings, got an array;/],
    ['tsgun.config.mjs', 'export default () => () => {}', /: expected an object of settings, got a function;/],
    ['tsgun.config.mjs', 'export default Symbol("x")', /: expected an object of settings, got Symbol\(x\) \(symbol\);/],
    ['tsgun.config.mjs', 'export default globalThis', /^config: tsgun\.config\.mjs: unknown setting "/],
    [
      'tsgun.config.mjs',
      'export default { workers: () => 4 }',
      'tsgun.config.mjs: workers: expected a whole number of at least 1 or "auto", got a function',
    ],
    [
      'tsgun.config.mjs',
      'export default { workers: Promise.resolve(4) }',
      'tsgun.config.mjs: workers: expected a whole number of at least 1 or "auto", got an empty object',
    ],
    [
      'tsgun.config.mjs',
      'export default { worker: 4 }',
      'tsgun.config.mjs: unknown setting "worker"; did you mean "workers"?',
    ],
    [
      'tsgun.config.mjs',
      'export default { get name() { throw new Error("no name") } }',
      'tsgun.config.mjs:1: Error: no name',
    ],
    ['tsgun.config.mjs', 'export default { name: "x".repeat(9e6) }', 'tsgun.config.mjs: its values are too large'],
    ['tsgun.config.mjs', 'process.abort()', 'tsgun.config.mjs: the process that ran it died of SIGABRT'],
    [
      'tsgun.config.mjs',
      'process.kill(process.pid, "SIGKILL"); await 1',
      'tsgun.config.mjs: the process that ran it died of SIGKILL',
    ],
    ['tsgun.config.mjs', 'process.reallyExit(7)', 'tsgun.config.mjs: the process that ran it ended with exit code 7'],
    [
      'tsgun.config.mjs',
      'import { writeSync } from "node:fs";\nwriteSync(3, "nonsense"); process.reallyExit(7)',
      'tsgun.config.mjs: the process that ran it ended with exit code 7',
    ],
    // What Node defines for texts that it runs is not there for files.
    [
      'tsgun.config.mjs',
      'export default { workers: os.cpus().length }',
      'tsgun.config.mjs:1: ReferenceError: os is not defined',
    ],
    [
      'tsgun.config.mjs',
      'export default require("./x")',
      /^config: tsgun\.config\.mjs:1: ReferenceError: require is not defined/,
    ],
  ])('%s: %j', async (name, text, line) => {
    expect(await refused(name, text)).toEqual(
      typeof line === 'string' ? `config: ${line}` : expect.stringMatching(line),
    );
  });

  it.each([
    ['for (;;);'],
    ['await new Promise(() => setInterval(() => {}, 1000))'],
    ['import { execSync } from "node:child_process"; execSync("sleep 60")'],
    ['for (;;) console.log("x".repeat(1e5))'],
    ['for (;;) console.error("x".repeat(1e5))'],
  ])('and killed when it does not end: %s', async (text) => {
    expect(await refused('tsgun.config.mjs', text, 700)).toBe(
      'config: tsgun.config.mjs: it has not ended within 0.7 s; hint: a loop, or a wait for something that is not there',
    );
  });

  it('with its place under a symbolic link', async () => {
    const dir = tempApp({ 'release/x': '' });
    symlinkSync('release', join(dir, 'current'));
    const { origin } = await load({}, { dir: join(dir, 'current') });
    writeFileSync(join(dir, 'release/tsgun.config.mjs'), '\nthrow new Error("no")');
    await expect(rereadConfig(origin)).rejects.toMatchObject({ line: 'tsgun.config.mjs:2: Error: no' });
    await expect(loadConfig(origin)).rejects.toMatchObject({ line: 'tsgun.config.mjs:2: Error: no' });
  });
});

describe('a file that leaves something behind', () => {
  it.each([
    ['a timer', 'setInterval(() => {}, 1000)'],
    ['a server', 'require("node:net").createServer().listen(0)'],
    ['a process', 'require("node:child_process").spawn("sleep", ["60"], { stdio: "inherit" })'],
    ['a listener for its exit', 'process.on("exit", () => { for (;;); })'],
    ['a thread', 'new (require("node:worker_threads").Worker)("setInterval(() => {}, 1000)", { eval: true })'],
    ['noise', 'for (let i = 0; i < 200; i++) { console.log("x".repeat(1e5)); console.error("x".repeat(1e5)) }'],
  ])('%s: it ends, and so does that', async (_what, text) => {
    const { origin } = await load({ x: '' });
    writeFileSync(join(origin.cwd, 'tsgun.config.cjs'), `${text};\nmodule.exports = { workers: 4 }`);
    expect((await rereadConfig(origin)).config.workers).toBe(4);
  });
});

describe('hooks', () => {
  it('are those of the file as it is now', async () => {
    const said: unknown[] = [];
    Object.assign(globalThis, { rereadSaid: said });
    onTestFinished(() => void Reflect.deleteProperty(globalThis, 'rereadSaid'));
    const hook = (text: string) => `module.exports = { on_exit: () => globalThis.rereadSaid.push("${text}") }`;
    const first = await load({ 'tsgun.config.cjs': hook('one') });
    writeFileSync(join(first.cwd, 'tsgun.config.cjs'), hook('two'));
    const second = await rereadConfig(first.origin);
    const master = { pid: 1, name: '', addresses: [], log: () => {} };
    await second.config.onExit?.(master);
    await first.config.onExit?.(master);
    expect(said).toEqual(['two', 'one']);
  });

  it('that are no longer functions when the file is run again are an error', async () => {
    const { origin } = await load({ x: '' });
    const text =
      'import { existsSync, writeFileSync } from "node:fs";\nconst again = existsSync("run");\nwriteFileSync("run", "");\n';
    writeFileSync(join(origin.cwd, 'tsgun.config.mjs'), `${text}export default again ? {} : { onExit() {} }`);
    await expect(rereadConfig(origin)).rejects.toMatchObject({
      line: 'tsgun.config.mjs: onExit: it is a function when the file is run, but not when it is run again',
    });
  });
});

describe('the working directory', () => {
  it('is looked up again by its name', async () => {
    const dir = tempApp({
      'release-1/tsgun.config.mjs': 'export default { workers: 1, onExit() {} }',
      'release-2/tsgun.config.mjs':
        'import { readFileSync } from "node:fs"; export default { workers: Number(readFileSync("n", "utf8")), onExit() {} }',
      'release-2/n': '2',
    });
    const current = join(dir, 'current');
    symlinkSync('release-1', current);
    const first = await load({}, { dir: join(dir, 'release-1'), env: { PWD: current } });
    process.chdir(join(dir, 'release-1'));
    symlinkSync('release-2', join(dir, 'next'));
    renameSync(join(dir, 'next'), current);
    rmSync(join(dir, 'release-1'), { recursive: true });
    const second = await rereadConfig(first.origin);
    expect([first.directory, second.directory]).toEqual([join(dir, 'release-1'), join(dir, 'release-2')]);
    expect([second.cwd, second.config.workers, second.childEnv.PWD]).toEqual([current, 2, current]);
    expect(second.config.app.file).toBe(join(current, 'app.js'));

    rmSync(current);
    await expect(rereadConfig(second.origin)).rejects.toMatchObject({
      code: 'config',
      line: `the working directory: ${current} is missing`,
    });
    symlinkSync('nowhere', current);
    await expect(rereadConfig(second.origin)).rejects.toMatchObject({ code: 'config' });
    rmSync(current);
    mkdirSync(current);
    expect((await rereadConfig(second.origin)).config.workers).toBe(1);
  });

  it('of --chdir is looked up again too', async () => {
    const dir = tempApp({ 'a/x': '', 'b/tsgun.config.json': '{ "workers": 2 }' });
    symlinkSync('a', join(dir, 'current'));
    const first = await load({}, { dir, args: ['app.js', '--chdir', 'current'] });
    rmSync(join(dir, 'current'));
    await expect(rereadConfig(first.origin)).rejects.toMatchObject({ line: `--chdir: ${dir}/current is missing` });
    symlinkSync('b', join(dir, 'current'));
    const second = await rereadConfig(first.origin);
    expect([second.directory, second.config.workers]).toEqual([join(dir, 'b'), 2]);
  });

  it('stays the one of the first reading when $PWD has come to name another', async () => {
    const dir = tempApp({ 'a/x': '' });
    const { origin } = await load({}, { dir: join(dir, 'a'), env: { PWD: join(dir, 'b') } });
    symlinkSync('a', join(dir, 'b'));
    expect((await rereadConfig(origin)).cwd).toBe(join(dir, 'a'));
  });
});

describe('what a reload cannot change', () => {
  const dir = tempDir();
  const read = (...args: string[]) => loadConfig({ argv: ['app.js', ...args], env: {}, cwd: dir });

  it('is told in a sentence each', async () => {
    const before = await load({ 'tsgun.config.json': '{ "backlog": 2048, "workers": 1, "umask": "022" }' });
    writeFileSync(
      join(before.cwd, 'tsgun.config.json'),
      '{ "backlog": 4096, "workers": 2, "name": "shop", "bind": ":1" }',
    );
    const after = await rereadConfig(before.origin);
    expect(unchangeable(before, after)).toEqual([
      'backlog is 4096 in tsgun.config.json, but stays 2048: it cannot change at a reload',
      'name is shop in tsgun.config.json, but stays unset: it cannot change at a reload',
      'umask is unset by default, but stays 022: it cannot change at a reload',
    ]);
    const { config, sources } = reloaded(before, after);
    expect(config).toEqual({ ...after.config, backlog: 2048, name: undefined, umask: 0o022 });
    expect(sources).toEqual({ ...after.sources, name: 'default', umask: 'file tsgun.config.json' });
  });

  it('names the source', async () => {
    const [before, after] = [await read(), await read('--backlog', '1')];
    const stays = 'but stays 2048: it cannot change at a reload';
    expect(unchangeable(before, after)).toEqual([`backlog is 1 on the command line, ${stays}`]);
    const given = { argv: ['app.js'], env: { TSGUN_CMD_ARGS: '--backlog 1' }, cwd: dir };
    expect(unchangeable(before, await loadConfig(given))).toEqual([`backlog is 1 in TSGUN_CMD_ARGS, ${stays}`]);
  });

  it('is a hook that is called at the start, if its text has changed', async () => {
    const hook = (text: string) => `module.exports = { onStarting() { return ${text} }, onExit() { return ${text} } }`;
    const before = await load({ 'tsgun.config.cjs': hook('1') });
    expect(unchangeable(before, await rereadConfig(before.origin))).toEqual([]);
    writeFileSync(join(before.cwd, 'tsgun.config.cjs'), hook('2'));
    const after = await rereadConfig(before.origin);
    expect(unchangeable(before, after)).toEqual([
      'onStarting is another one in tsgun.config.cjs, but stays as it was: it cannot change at a reload',
    ]);
    const { config } = reloaded(before, after);
    expect([config.onStarting, config.onExit]).toEqual([before.config.onStarting, after.config.onExit]);
  });

  it.each(Object.keys(settings) as Key[])('%s: the row decides', async (key) => {
    const before = await read();
    const after = { ...before, config: { ...before.config, [key]: ['changed'] } };
    expect(unchangeable(before, after)).toHaveLength(settings[key].reload ? 0 : 1);
    expect(reloaded(before, after).config[key]).toEqual(settings[key].reload ? ['changed'] : before.config[key]);
  });
});
