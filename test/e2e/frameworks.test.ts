import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { alive } from '../helpers/proc.ts';
import { tempDir } from '../helpers/temp.ts';
import { startTsgun, type Tsgun } from '../helpers/tsgun.ts';

const root = join(import.meta.dirname, '../..');
const fixtures = join(root, 'test/fixtures/apps');
const examples = join(root, 'examples');

/** Starts an application with two workers on a free port, and waits until both serve. */
async function start(app: string, cwd: string): Promise<Tsgun> {
  const tsgun = await startTsgun([app, '-w', '2', '-b', '127.0.0.1:0'], { cwd }).ready(2);
  expect(tsgun.workers().filter(alive)).toHaveLength(2);
  return tsgun;
}

/** A stop by TERM ends well and leaves no process. */
async function stopsCleanly(tsgun: Tsgun): Promise<void> {
  expect(await tsgun.stop(), tsgun.captured()).toEqual({ code: 0, signal: null });
  expect(tsgun.family()).toEqual([]);
}

async function answers(app: string, cwd: string, expected: string | RegExp, path = '/'): Promise<void> {
  const tsgun = await start(app, cwd);
  const all = await Promise.all(Array.from({ length: 8 }, () => tsgun.get(path)));
  for (const { status, body } of all) {
    expect(status).toBe(200);
    expect(body.toString()).toMatch(expected);
  }
  await stopsCleanly(tsgun);
}

describe('the examples', () => {
  beforeAll(() => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [compiler, '-p', 'nest'], { cwd: examples, stdio: 'inherit' });
  });

  const worker = /^hello from (worker|process) \d+\n$/;
  test.each([
    ['hello', 'app.js', /^hello\n$/],
    ['express', 'app.js', worker],
    ['koa', 'app.js', worker],
    ['hapi', 'app.js:create', worker],
    ['fastify', 'app.js', /^\{"hello":"world","worker":\d+\}$/],
    ['hono', 'app.js', worker],
    ['unmodified-server', 'server.js', worker],
    ['typescript', 'app.ts', /^\{"hello":"world","worker":\d+\}$/],
    ['nest', '.', worker],
    ['nest', 'dist/factory.js:create', worker],
  ])('%s: tsgun %s', (example, app, expected) => answers(app, join(examples, example), expected));

  test('hono streams through tsgun: each line arrives on its own', async () => {
    const tsgun = await start('app.js', join(examples, 'hono'));
    const response = await fetch(tsgun.url('/count'));
    const chunks: string[] = [];
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) chunks.push(chunk);
    expect(chunks).toEqual(['1\n', '2\n', '3\n']);
    await stopsCleanly(tsgun);
  });

  test('the handlers of the unmodified server run when it is stopped', async () => {
    const tsgun = await start('server.js', join(examples, 'unmodified-server'));
    await stopsCleanly(tsgun);
    expect(tsgun.stdout().match(/process \d+ has closed its server/g)).toHaveLength(2);
    expect(tsgun.stdout()).toContain(`listening on ${tsgun.url()}`);
  });
});

describe('what frameworks and people export', () => {
  test.each([
    ['frameworks/express4.cjs', 'express4'],
    ['frameworks/express-factory.mjs', 'express-factory'],
    ['frameworks/connect.cjs', 'connect'],
    ['frameworks/koa-callback.cjs', 'koa-callback'],
    ['frameworks/polka.cjs', 'polka'],
    ['frameworks/fastify-factory.mjs', 'fastify-factory'],
    ['frameworks/fastify-listens.mjs', 'fastify-listens'],
    ['frameworks/hapi.cjs', 'hapi'],
    ['frameworks/hapi-without-autolisten.cjs', 'hapi-without-autolisten'],
    ['frameworks/hapi-starts.mjs', 'hapi-starts'],
    ['frameworks/h3.mjs', 'h3 for 127.0.0.1'],
    ['frameworks/hono-conninfo.mjs', 'hono for 127.0.0.1'],
    ['exports/http-server.cjs', 'http-server.cjs'],
    ['exports/factory-async.mjs', 'factory-async.mjs'],
    ['exports/top-level-await.mjs', 'top-level-await.mjs'],
    ['exports/create.mjs:create("good morning", {"times": 3})', 'good morning 3'],
    ['exports/create.mjs:api', 'api'],
    ['exports', 'entry'],
    ['programs/listens-after-await.mjs', 'listens-after-await.mjs'],
    ['programs/factory-listens.mjs:main()', 'factory-listens.mjs'],
  ])('tsgun %s', (app, expected) => answers(app, fixtures, new RegExp(`^${expected}$`)));

  test('an application of H3 v1', async () => {
    const directory = tempDir();
    mkdirSync(join(directory, 'node_modules'));
    symlinkSync(join(root, 'node_modules/h3v1'), join(directory, 'node_modules/h3'));
    copyFileSync(join(fixtures, 'frameworks/h3v1.cjs'), join(directory, 'app.cjs'));
    await answers('app.cjs', directory, /^h3v1 for 127.0.0.1$/);
  });

  test('an HTTP/2 server', async () => {
    const tsgun = await start('frameworks/http2.cjs', fixtures);
    const session = connect(tsgun.url());
    const stream = session.request({ ':path': '/' });
    const [headers] = await once(stream, 'response');
    let body = '';
    for await (const chunk of stream) body += chunk;
    session.close();
    expect([headers[':status'], body]).toEqual([200, 'http2 2.0']);
    await stopsCleanly(tsgun);
  });

  test('a body reaches Express, and its answer comes back', async () => {
    const tsgun = await start('frameworks/express-factory.mjs', fixtures);
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(tsgun.url(), { method: 'POST', headers, body: JSON.stringify({ a: [1, 2] }) });
    expect(await response.json()).toEqual({ got: { a: [1, 2] } });
    await stopsCleanly(tsgun);
  });
});

test('a program that has listened has its export ignored, with a notice', async () => {
  const tsgun = await start('programs/listens-and-exports.cjs', fixtures);
  expect((await tsgun.get()).body.toString()).toBe('listens-and-exports.cjs');
  expect(tsgun.stderr()).toContain(
    'programs/listens-and-exports.cjs has listened by itself; module.exports is ignored',
  );
  await stopsCleanly(tsgun);
});
