import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AppSpec, BootFailure } from '../../../src/shared/protocol.ts';
import { tempApp, tempDir } from '../../helpers/temp.ts';
import { testNode } from '../../helpers/tsgun.ts';

const root = join(import.meta.dirname, '../../..');
const apps = join(root, 'test/fixtures/apps');
let bundle: string;

interface Result {
  kind?: string;
  unserved?: BootFailure;
  failure?: BootFailure;
  body?: string;
  status?: number;
  servers?: number;
  notices: string[];
}

interface Order {
  spec?: Partial<AppSpec>;
  path?: string;
  argv?: string[];
  env?: Record<string, string>;
  realPorts?: boolean;
}

beforeAll(async () => {
  bundle = join(tempDir(), 'app.cjs');
  const input = join(root, 'src/worker/app.ts');
  const build = await rolldown({ input, platform: 'node', external: /^node:/ });
  await build.write({ file: bundle, format: 'cjs', codeSplitting: false });
});

/** Loads an application in a process of its own, in the directory of the fixtures, and sends it a request. */
async function load(file: string, { spec = {}, argv = [], env = {}, ...rest }: Order = {}): Promise<Result> {
  const order = JSON.stringify({ spec: { file: join(apps, file), ...spec }, ...rest });
  const args = [join(import.meta.dirname, 'driver.cjs'), bundle, order, ...argv];
  const { stdout } = await promisify(execFile)(testNode, args, {
    cwd: apps,
    env: { PATH: process.env.PATH, ...env },
  });
  return JSON.parse(stdout);
}

describe('what a module exports', () => {
  test.each([
    ['exports/handler.cjs', 'handler'],
    ['exports/handler.mjs', 'handler'],
    ['exports/detected.js', 'handler'],
    ['exports/named-app.mjs', 'handler'],
    ['exports/default-is-no-app.mjs', 'handler'],
    ['exports/top-level-await.mjs', 'handler'],
    ['exports/compiled.cjs', 'handler'],
    ['exports/factory.cjs', 'handler'],
    ['exports/factory-async.mjs', 'handler'],
    ['exports/factory-of-rest.mjs', 'handler'],
    ['exports/promise.cjs', 'handler'],
    ['exports/http-server.cjs', 'http.Server'],
    ['exports/fetch-default.mjs', 'fetch'],
    ['exports/fetch-named.mjs', 'fetch'],
    ['exports/typed.ts', 'handler'],
    ['exports/typed.mts', 'handler'],
    ['exports/typed.cts', 'handler'],
    ['programs/handles-its-errors.cjs', 'handler'],
  ])('%s is served as %s', async (file, kind) => {
    const result = await load(file);
    expect(result).toMatchObject({ kind, status: 200, servers: 1, notices: [] });
    expect(result.body).toContain(file.replace(/^.*\//, ''));
  });

  test('a factory gets the arguments of the command line, and an export is taken by its name', async () => {
    const create = { exportName: 'create', factoryArgs: ['good morning', { times: 3 }] };
    expect(await load('exports/create.mjs', { spec: create })).toMatchObject({ body: 'good morning 3' });
    expect(await load('exports/create.mjs', { spec: { exportName: 'create', factoryArgs: [] } })).toMatchObject({
      body: 'no greeting 0',
    });
    expect(await load('exports/create.mjs', { spec: { exportName: 'api' } })).toMatchObject({ body: 'api' });
    expect(await load('exports/handler.cjs', { spec: { exportName: 'default' } })).toMatchObject({
      body: 'handler.cjs',
    });
  });

  test('a directory stands for its entry', async () => {
    const file = tempApp({
      'package.json': '{ "type": "module", "exports": { ".": { "types": "./x.d.ts", "import": "./lib/entry.js" } } }',
      'lib/entry.js': 'export default (_req, res) => res.end("the entry")',
    });
    expect(await load('', { spec: { file } })).toMatchObject({ kind: 'handler', body: 'the entry' });
  });
});

describe('the application is the main module', () => {
  test('in CommonJS', async () => {
    const { body } = await load('exports/main.cjs', { argv: ['one', '--two'] });
    expect(JSON.parse(body!)).toEqual({ main: true, mainModule: true, argv: ['main.cjs', 'one', '--two'] });
  });

  test('in an ES module, which is evaluated once', async () => {
    const { body } = await load('exports/main.mjs', { argv: ['one', '--two'] });
    const { main, ...rest } = JSON.parse(body!);
    expect(rest).toEqual({ requireMain: true, argv: ['main.mjs', 'one', '--two'], evaluations: 1 });
    expect([true, undefined]).toContain(main); // import.meta.main is newer than Node 20
  });
});

describe('a program that listens by itself', () => {
  test.each(['listens.cjs', 'exports-its-server.cjs', 'listens-after-await.mjs'])('%s', async (name) => {
    const result = await load(`programs/${name}`);
    expect(result).toEqual({ kind: 'program', status: 200, body: name, servers: 1, notices: [] });
  });

  test('has its export ignored, with a notice', async () => {
    expect(await load('programs/listens-and-exports.cjs')).toMatchObject({
      kind: 'program',
      servers: 1,
      notices: ['info: programs/listens-and-exports.cjs has listened by itself; module.exports is ignored'],
    });
  });

  test('may do so in its factory', async () => {
    const spec = { exportName: 'main', factoryArgs: [] };
    expect(await load('programs/factory-listens.mjs', { spec })).toMatchObject({ kind: 'program', servers: 1 });
  });

  test('whose port is taken fails to bind', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { failure } = await load('failures/port-taken.cjs', { realPorts: true, env: { TAKEN_PORT: String(port) } });
    taken.close();
    expect(failure).toMatchObject({
      code: 'bind',
      message: expect.stringContaining(`EADDRINUSE: address already in use 127.0.0.1:${port}`),
    });
  });
});

describe('what throws is one boot failure with its own stack', () => {
  test.each([
    [
      'throws.cjs',
      'failed to load: TypeError: no database at import',
      /^TypeError: no database.*\n +at connect \(.*throws\.cjs:2:9\)\n +at .*throws\.cjs:4:1\)$/,
    ],
    [
      'throws.mjs',
      'failed to load: Error: no database in a module',
      /at connect \(.*throws\.mjs:3:9\)[\s\S]*\[cause\]: Error: refused/,
    ],
    ['first-tick.cjs', 'Error: thrown in the first tick', /at laterThanImport \(.*first-tick\.cjs:2:9\)$/],
    ['rejects.cjs', 'Error: nobody handles this', /\n +at .*rejects\.cjs:1:16\)$/],
    [
      'factory-throws.mjs',
      'its default export, called as a factory, threw: Error: no database in the factory',
      /\n +at create \(.*factory-throws\.mjs:2:9\)$/,
    ],
    ['throws-a-string.cjs', 'failed to load: just a string (thrown as string)', /^just a string$/],
    ['needs-a-package.mjs', "Cannot find package 'a-package-that-nobody-installed'", /ERR_MODULE_NOT_FOUND/],
  ])('%s', async (name, message, stack) => {
    const { failure } = await load(`failures/${name}`);
    expect(failure?.code).toBe('boot');
    expect(failure?.message).toContain(`failures/${name} `);
    expect(failure?.message).toContain(message);
    expect(failure?.message).not.toContain('\n');
    expect(failure?.stack).toMatch(stack);
  });

  test.each([
    ['in an ES module', 'entry.mjs', 'entry.mjs:2'],
    ['in what it imports', 'imports.mjs', 'entry.mjs:2'],
    ['in CommonJS', 'entry.cjs', 'entry.cjs:2'],
  ])('a syntax error %s is told with its line', async (_, entry, place) => {
    const directory = tempApp({
      'entry.mjs': 'export default 1;\nlet this is wrong;\n',
      'imports.mjs': "import { join } from 'node:path';\nimport wrong from './entry.mjs';\n",
      'entry.cjs': 'module.exports = 1;\nlet this is wrong;\n',
    });
    const { failure } = await load('', { spec: { file: join(directory, entry) } });
    expect(failure).toMatchObject({ code: 'boot', message: expect.stringContaining('SyntaxError: ') });
    expect(failure?.stack).toContain(`${place}\nlet this is wrong;`);
  });
});

describe('TypeScript', () => {
  // Node's stripping refuses an enum; where Node has none, the project's tsx compiles it.
  test('that Node cannot strip', async () => {
    const { stdout } = await promisify(execFile)(testNode, ['-p', 'Boolean(process.features.typescript)']);
    const result = await load('failures/enum.ts');
    if (stdout.trim() === 'false') expect(result).toMatchObject({ kind: 'handler', body: '0' });
    else expect(result.failure).toMatchObject({ code: 'boot', message: expect.stringMatching(/enum.*; hint: .*tsx/) });
  });

  test('without Node stripping it and without tsx in the project', async () => {
    const file = join(
      tempApp({ 'app.ts': 'export default (_req: unknown, res: { end(): void }) => res.end();' }),
      'app.ts',
    );
    const { stdout } = await promisify(execFile)(testNode, ['-p', 'Boolean(process.features.typescript)']);
    const result = await load('', { spec: { file } });
    if (stdout.trim() === 'true') expect(result).toMatchObject({ kind: 'handler' });
    else
      expect(result.failure?.message).toMatch(
        /^app\.ts is TypeScript, and Node [\d.]+ does not run it by itself; install tsx/,
      );
  });
});

describe('what cannot be served', () => {
  test.each([
    [
      'object.cjs',
      'module.exports is an object with keys color, size, start: not something tsgun can serve; it serves a (req, res) function',
    ],
    ['class.mjs', 'its default export is class Shop: export an instance'],
    [
      'router.cjs',
      'module.exports is a function with 3 parameters: an Express Router is served as part of an application',
    ],
    [
      'fetch-function.mjs',
      'its default export is a function with 1 parameter: a (request) => Response function is served as an object',
    ],
    ['plugin.mjs', 'its default export is a function with 2 parameters: it looks like a Fastify plugin'],
  ])('%s is named with what was found, in case it never listens', async (name, message) => {
    const result = await load(`failures/${name}`);
    expect(result).toMatchObject({ kind: 'program', servers: 0, unserved: { code: 'notFound' } });
    expect(result.unserved?.message).toContain(`failures/${name}: ${message}`);
  });

  test('a module without a usual export says which it has', async () => {
    const { unserved } = await load('exports/create.mjs');
    expect(unserved?.message).toBe(
      'exports/create.mjs exports api, create, but none of default, app, server, handler, application, fetch; ' +
        'say which to serve: exports/create.mjs:api',
    );
  });

  test('a module that exports nothing may be a program', async () => {
    expect(await load('failures/nothing.cjs')).toEqual({ kind: 'program', servers: 0, notices: [] });
  });

  test.each([
    [
      'an export that is not there',
      { exportName: 'creat' },
      'has no export creat; it exports api, create; did you mean create?',
    ],
    ['an export that is no application', { exportName: 'nothing' }, 'what its export nothing returned is undefined'],
  ])('%s', async (_, spec, message) => {
    const file = spec.exportName === 'nothing' ? 'failures/exports.mjs' : 'exports/create.mjs';
    const { failure, unserved } = await load(file, { spec });
    expect((failure ?? unserved)?.message).toContain(message);
    expect((failure ?? unserved)?.code).toBe('notFound');
  });

  test.each([
    [{ exportName: 'port' }, 'its export port is a number: not something tsgun can serve'],
    [{ exportName: 'port', factoryArgs: [] }, 'its export port is a number, which cannot be called'],
  ])('an export that was asked for is refused at once: %j', async (spec, message) => {
    const { failure } = await load('failures/exports.mjs', { spec });
    expect(failure).toMatchObject({ code: 'notFound', message: expect.stringContaining(message) });
  });
});
