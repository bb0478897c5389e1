import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { adapterFor, refusal } from '../../../src/worker/adapters.ts';
import { isFactory } from '../../../src/worker/exports.ts';

// The frameworks that can be made without a running application; test/e2e/frameworks.test.ts serves all of them.
const require = createRequire(import.meta.url);
const express = require('express');

describe('every kind of application has its row', () => {
  test.each<[string, unknown]>([
    ['http.Server', createServer()],
    ['http.Server', createHttp2Server()],
    ['Express', express()],
    ['Express', require('express4')()],
    ['Connect', require('connect')()],
    ['Koa', new (require('koa').default)()],
    ['handler', new (require('koa').default)().callback()],
    ['Hapi', require('@hapi/hapi').server()],
    ['Fastify', require('fastify')()],
    ['Polka', require('polka')()],
    ['fetch', new (require('hono').Hono)()],
    ['fetch', { fetch: () => new Response() }],
    ['H3', require('h3v1').createApp()],
    ['handler', (_req: unknown, _res: unknown) => {}],
    ['handler', async (_req: unknown, _res: unknown, _next: unknown) => {}],
  ])('%s', (name, value) => {
    expect(adapterFor(value)?.name).toBe(name);
    expect(isFactory(value)).toBe(false);
  });
});

test.each<[string, unknown, RegExp]>([
  ['undefined', undefined, /^undefined: not something/],
  ['null', null, /^null: not something/],
  ['a number', 3000, /^a number: not something/],
  ['an array', [1, 2], /^an array of 2: not something/],
  ['an empty object', {}, /^an object without keys: not something/],
  [
    'many keys',
    Object.fromEntries([...'abcdefghij'].map((key) => [key, 1])),
    /^an object with keys a, b, c, d, e, f, g, h, …: /,
  ],
  [
    'an instance',
    new (class Shop {
      open = true;
    })(),
    /^an instance of Shop with key open: /,
  ],
  ['a null-prototype object', Object.assign(Object.create(null), { a: 1 }), /^an object with key a: /],
  ['a class', class Shop {}, /^class Shop: export an instance/],
  ['a router', express.Router(), /^a function with 3 parameters: an Express Router/],
  ['one parameter', (_request: unknown) => {}, /^a function with 1 parameter: .*export default \{ fetch \}/],
  [
    'a Fastify plugin',
    Object.assign((_app: unknown, _options: unknown) => {}, { [Symbol.for('skip-override')]: true }),
    /looks like a Fastify plugin/,
  ],
])('%s is refused', (_, value, message) => {
  expect(adapterFor(value)).toBeUndefined();
  expect(isFactory(value)).toBe(false);
  expect(refusal(value)).toMatch(message);
});

test('a function without parameters is a factory', () => {
  expect(isFactory(() => {})).toBe(true);
  expect(isFactory(async () => {})).toBe(true);
  expect(isFactory((..._: unknown[]) => {})).toBe(true);
});
