import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { type Key, settings } from '../../../src/config/settings.ts';
import { TsgunError } from '../../../src/errors.ts';
import { tempApp, tempDir } from '../../helpers/temp.ts';

const words = (line: string) => line.split(' ').filter((word) => word !== '');

/** Loads in a new directory with this configuration file. */
async function load(line: string, { env = {}, file, cwd = tempDir() }: Given = {}) {
  const dir = file === undefined ? cwd : tempApp({ 'tsgun.config.json': JSON.stringify(file) });
  const resolved = await loadConfig({ argv: words(line), env, cwd: dir });
  return { ...resolved, dir };
}

interface Given {
  env?: Record<string, string>;
  file?: unknown;
  cwd?: string;
}

const failure = async (line: string, given?: Given) => {
  const error = await load(line, given).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TsgunError) return { line: error.line, exitCode: error.exitCode };
  throw error ?? new Error('it was accepted');
};

const usage = (line: string) => ({ line, exitCode: 2 });
const wrong = (line: string) => ({ line, exitCode: 1 });
const tcp = (host: string, port: number) => ({ kind: 'tcp', host, port, text: `${host}:${port}` });

describe('loadConfig', () => {
  it('has the defaults, and says so', async () => {
    const { config, sources, explicitBind, argv, dir } = await load('app.js');
    for (const key of Object.keys(settings) as Key[]) {
      if (key === 'app') continue;
      expect(sources[key]).toBe('default');
      expect(config[key]).toEqual(key === 'chdir' ? dir : settings[key].default);
    }
    expect(config.app).toEqual({ file: join(dir, 'app.js') });
    expect(sources.app).toBe('command line');
    expect([explicitBind, argv]).toEqual([false, []]);
  });

  it('defaults < environment < file < TSGUN_CMD_ARGS < command line, with the source of each', async () => {
    const sourceOf = async (line: string, given: Given) => {
      const { config, sources } = await load(`app.js ${line}`, given);
      return [config.workers, sources.workers];
    };
    const env = { WEB_CONCURRENCY: '2' };
    const file = { workers: 3 };
    const both = { ...env, TSGUN_CMD_ARGS: '--workers 4' };
    expect(await sourceOf('', {})).toEqual([1, 'default']);
    expect(await sourceOf('', { env })).toEqual([2, 'env WEB_CONCURRENCY']);
    expect(await sourceOf('', { env, file })).toEqual([3, 'file tsgun.config.json']);
    expect(await sourceOf('', { env: both, file })).toEqual([4, 'TSGUN_CMD_ARGS']);
    expect(await sourceOf('-w 5', { env: both, file })).toEqual([5, 'command line']);
  });

  it('replaces a list as a whole', async () => {
    const { config } = await load('app.js -b :2 -b :3', { file: { bind: ':1' } });
    expect(config.bind).toEqual([tcp('0.0.0.0', 2), tcp('0.0.0.0', 3)]);
  });

  it('binds $PORT when nothing else binds', async () => {
    const { config, explicitBind, sources } = await load('app.js', { env: { PORT: '9000' } });
    expect([config.bind, explicitBind, sources.bind]).toEqual([[tcp('0.0.0.0', 9000)], true, 'env PORT']);
    expect((await load('app.js', { env: { PORT: '0' } })).config.bind).toEqual([tcp('0.0.0.0', 0)]);
    expect((await load('app.js', { env: { PORT: '' } })).explicitBind).toBe(false);
    expect((await load('app.js -b :1', { env: { PORT: 'nonsense' } })).config.bind).toEqual([tcp('0.0.0.0', 1)]);
    expect((await load('app.js', { env: { PORT: '1' }, file: { bind: [] } })).explicitBind).toBe(false);
    expect(await failure('app.js', { env: { PORT: 'nonsense' } })).toMatchObject(
      wrong(expect.stringContaining('PORT: expected a port')),
    );
  });

  it('takes the application from wherever it is given', async () => {
    const file = { app: 'dist/app.js:create(1)' };
    const { config, dir, argv } = await load('-- --verbose', { file });
    expect(config.app).toEqual({ file: join(dir, 'dist/app.js'), exportName: 'create', factoryArgs: [1] });
    expect(argv).toEqual(['--verbose']);
    expect((await load('', { env: { TSGUN_CMD_ARGS: 'x.js -- a' } })).argv).toEqual(['a']);
    expect(await load('y.js -- b', { env: { TSGUN_CMD_ARGS: 'x.js -- a' } })).toMatchObject({ argv: ['b'] });
    expect(await failure('')).toEqual(
      usage('no application is given; hint: tsgun app.js, or "app" in tsgun.config.js; tsgun --help shows all options'),
    );
  });

  it('accepts the spellings of Gunicorn', async () => {
    const file = {
      graceful_timeout: '5m',
      'keep-alive': 0,
      loglevel: 'warning',
      pidfile: 'x.pid',
      raw_env: ['A=1'],
      $schema: 'x',
    };
    const { config, dir } = await load('app.js', { file });
    expect(config).toMatchObject({
      gracefulTimeout: 300,
      keepAlive: 0,
      logLevel: 'warn',
      pid: join(dir, 'x.pid'),
      env: { A: '1' },
    });
  });
});

describe('a mistake', () => {
  it.each<[string, Given, string]>([
    ['', { file: { worker: 1 } }, 'tsgun.config.json: unknown setting "worker"; did you mean "workers"?'],
    ['', { file: { threads: 1 } }, 'tsgun.config.json: unknown setting "threads"'],
    ['', { file: { config: 'x' } }, 'tsgun.config.json: unknown setting "config"'],
    [
      '',
      { file: { workers: 'four' } },
      'tsgun.config.json: workers: expected a whole number of at least 1 or "auto", got "four" (string)',
    ],
    [
      '',
      { file: { graceful_timeout: null } },
      'tsgun.config.json: graceful_timeout: expected seconds, such as 30, 500ms or 5m, got null',
    ],
    ['', { file: { pid: 'a', pidfile: 'b' } }, 'tsgun.config.json: "pid" and "pidfile" are the same setting'],
    ['', { file: { onExit: 'x' } }, 'tsgun.config.json: onExit: expected a function, got "x" (string)'],
    ['', { file: [] }, 'tsgun.config.json: expected an object of settings, got an empty array'],
    [
      '',
      { file: { workers: 0, app: 'x' } },
      'tsgun.config.json: workers: expected a whole number of at least 1 or "auto", got 0 (number)',
    ],
    [
      '-w 1',
      { file: { workers: 0 } },
      'tsgun.config.json: workers: expected a whole number of at least 1 or "auto", got 0 (number)',
    ],
    [
      '',
      { env: { WEB_CONCURRENCY: 'x' } },
      'WEB_CONCURRENCY: expected a whole number of at least 1 or "auto", got "x"',
    ],
    [
      '',
      { env: { TSGUN_CMD_ARGS: '--worker 1' } },
      'TSGUN_CMD_ARGS: unknown option "--worker"; did you mean "--workers"?',
    ],
    [
      '',
      { env: { TSGUN_CMD_ARGS: '-w x' } },
      'TSGUN_CMD_ARGS: -w, --workers: expected a whole number of at least 1 or "auto", got "x"',
    ],
    ['', { env: { TSGUN_CMD_ARGS: `-n 'x` } }, `TSGUN_CMD_ARGS: a quote is not closed in -n 'x`],
    ['', { env: { TSGUN_CMD_ARGS: '--help' } }, 'TSGUN_CMD_ARGS: "--help" serves no application'],
    ['-c nowhere.js', { cwd: '/' }, 'no such configuration file: /nowhere.js'],
    ['--chdir /nowhere/at/all', {}, '--chdir: /nowhere/at/all is missing'],
    ['--env-file nothing.env', { cwd: '/' }, '--env-file /nothing.env: no such file'],
    ['', { file: { chdir: '/dev/null' } }, 'tsgun.config.json: chdir: /dev/null is no directory'],
  ])('%s %j', async (line, given, message) => {
    expect(await failure(`app.js ${line}`, given)).toEqual(wrong(message));
  });

  it.each([
    ['-w four', '-w, --workers: expected a whole number of at least 1 or "auto", got "four"'],
    ['--log-level loud', '--log-level: expected trace, debug, info, warn, error or fatal, got "loud"'],
    [
      '-b 1.2.3:80',
      '-b, --bind: expected HOST:PORT, PORT, HOST, [IPV6]:PORT, unix:PATH or fd://NUMBER, got "1.2.3:80"',
    ],
    ['-e A', '-e, --env: expected NAME=value, got "A" (string)'],
  ])('on the command line is one of usage: %s', async (line, message) => {
    expect(await failure(`app.js ${line}`)).toEqual(usage(message));
  });

  it('in the application is one of usage on the command line only', async () => {
    expect(await failure('app.js:1')).toMatchObject({
      exitCode: 2,
      line: expect.stringMatching(/^app: expected FILE/),
    });
    expect(await failure('', { file: { app: 'app.js:1' } })).toMatchObject({
      exitCode: 1,
      line: expect.stringMatching(/^tsgun.config.json: app: /),
    });
  });

  it('of a letter in a command is told from an application', async () => {
    expect(await failure('relod')).toEqual(usage('no such file "relod"; did you mean the command "reload"?'));
    expect(await failure('-w 2 status')).toEqual(
      usage('no such file "status"; did you mean the command "status"?; hint: a command is the first word'),
    );
    expect((await load('relod', { cwd: tempApp({ relod: '' }) })).config.app.file).toMatch(/\/relod$/);
    expect((await load('server')).config.app.file).toMatch(/\/server$/);
    expect((await load('./relod')).config.app.file).toMatch(/\/relod$/);
  });

  it('of two configuration files is refused', async () => {
    const cwd = tempApp({ 'tsgun.config.json': '{}', 'tsgun.config.cjs': '' });
    expect(await failure('app.js', { cwd })).toEqual(
      wrong(
        `there are both tsgun.config.cjs and tsgun.config.json in ${cwd}; hint: keep one of them, or name it with --config`,
      ),
    );
    expect((await load('app.js -c tsgun.config.json', { cwd })).configFile).toBe(join(cwd, 'tsgun.config.json'));
  });

  it('in JSON is told with the name of the file', async () => {
    const cwd = tempApp({ 'tsgun.config.json': '{ "workers": 4,, }' });
    expect(await failure('app.js', { cwd })).toMatchObject(
      wrong(expect.stringMatching(/^tsgun\.config\.json:1: SyntaxError: /)),
    );
  });
});

describe('the working directory', () => {
  it('is the logical one when $PWD names the same directory', async () => {
    const real = tempApp({ 'release-1/app.js': '' });
    symlinkSync('release-1', join(real, 'current'));
    const [physical, logical] = [join(real, 'release-1'), join(real, 'current')];
    expect((await load('app.js', { cwd: physical, env: { PWD: logical } })).config.app.file).toBe(
      join(logical, 'app.js'),
    );
    expect((await load('app.js', { cwd: physical, env: { PWD: real } })).cwd).toBe(physical);
    expect((await load('app.js', { cwd: physical, env: { PWD: 'current' } })).cwd).toBe(physical);
    expect((await load('app.js', { cwd: physical, env: { PWD: '/nowhere' } })).cwd).toBe(physical);
    const changed = await load('app.js --chdir current', { cwd: real });
    expect([changed.cwd, changed.childEnv.PWD]).toEqual([logical, logical]);
  });

  it('is what all paths are relative to', async () => {
    const cwd = tempApp({ 'shop/tsgun.config.json': '{ "pid": "run/x.pid" }', 'shop/.env': 'A=1' });
    const { config, configFile } = await load('app.js --chdir shop -b unix:x.sock --env-file .env', { cwd });
    expect(configFile).toBe(join(cwd, 'shop/tsgun.config.json'));
    expect(config).toMatchObject({
      app: { file: join(cwd, 'shop/app.js') },
      bind: [{ kind: 'unix', path: join(cwd, 'shop/x.sock') }],
      envFile: [join(cwd, 'shop/.env')],
      pid: join(cwd, 'shop/run/x.pid'),
      chdir: join(cwd, 'shop'),
    });
  });

  it('can be changed by the configuration file', async () => {
    const cwd = tempApp({ 'tsgun.config.json': '{ "chdir": "shop" }', 'shop/x': '', 'other/x': '' });
    expect((await load('app.js', { cwd })).config.app.file).toBe(join(cwd, 'shop/app.js'));
    const elsewhere = await load('app.js --chdir other -c ../tsgun.config.json', { cwd });
    expect([elsewhere.cwd, elsewhere.sources.chdir]).toEqual([join(cwd, 'other'), 'command line']);
  });
});

describe('the environment of the workers', () => {
  it('is that of tsgun, then the files, then --env, without what is for the master alone', async () => {
    const cwd = tempApp({ 'a.env': 'B=file a\nC="file a"\nD=file a', 'b.env': '# text\nC=file b\nD=file b' });
    const env = {
      A: 'tsgun',
      B: 'tsgun',
      C: 'tsgun',
      D: 'tsgun',
      NOTIFY_SOCKET: 'x',
      LISTEN_FDS: '1',
      LISTEN_PID: '1',
      WATCHDOG_USEC: '1',
      TSGUN_CMD_ARGS: '-w 2',
    };
    const { childEnv } = await load('app.js --env-file a.env --env-file b.env -e D=set', { cwd, env });
    expect(childEnv).toEqual({ A: 'tsgun', B: 'file a', C: 'file b', D: 'set', PWD: cwd });
  });
});
