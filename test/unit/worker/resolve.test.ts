import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveModule } from '../../../src/worker/resolve.ts';
import { tempApp } from '../../helpers/temp.ts';

const manifest = (content: object) => JSON.stringify(content);

test.each([
  ['exports as a string', { exports: './b.js', main: './a.js' }, 'b.js'],
  ['exports by condition', { exports: { '.': { browser: './a.js', node: { require: './b.js' } } } }, 'b.js'],
  ['exports with alternatives', { exports: { '.': [{ bun: './a.js' }, './b.js'] } }, 'b.js'],
  ['exports without the dot', { exports: { import: './b.js' } }, 'b.js'],
  ['exports of subpaths only', { exports: { './x': './a.js' }, main: 'b.js' }, 'b.js'],
  ['main', { main: './b.js' }, 'b.js'],
  ['main without its extension', { main: './b' }, 'b.js'],
  ['main as a directory', { main: 'lib' }, 'lib/index.js'],
  ['an index', { name: 'x' }, 'index.js'],
])('a directory stands for what its package.json says: %s', (_, content, expected) => {
  const files = { 'package.json': manifest(content), 'a.js': '', 'b.js': '', 'index.js': '', 'lib/index.js': '' };
  const directory = tempApp(files);
  expect(resolveModule(directory)).toBe(join(directory, expected));
});

test('a file stands for itself, and .js may be left out', () => {
  const directory = tempApp({ 'app.js': '', 'odd:name.js': '' });
  expect(resolveModule(join(directory, 'app.js'))).toBe(join(directory, 'app.js'));
  expect(resolveModule(join(directory, 'app'))).toBe(join(directory, 'app.js'));
  expect(resolveModule(join(directory, 'odd:name.js'))).toBe(join(directory, 'odd:name.js'));
});

describe('what is not there', () => {
  const refusal = (path: string): unknown => {
    try {
      return resolveModule(path);
    } catch (error) {
      return (error as { failure: unknown }).failure;
    }
  };

  test.each([
    ['ap.js', 'did you mean app.mjs?'],
    ['app.js', 'did you mean app.mjs?'],
    ['app', 'did you mean app.mjs?'],
    ['severr.js', 'did you mean server.js?'],
    ['somethingelse.js', 'has no file of a similar name'],
    ['nowhere/app.js', 'there is no directory '],
  ])('%s: %s', (name, hint) => {
    const directory = tempApp({ 'app.mjs': '', 'server.js': '', 'README.md': '' });
    expect(refusal(join(directory, name))).toEqual({ code: 'notFound', message: expect.stringContaining(hint) });
  });

  test('a directory without an entry, and one whose entry is missing', () => {
    const empty = tempApp({ 'readme.txt': '' });
    expect(refusal(empty)).toMatchObject({
      message: expect.stringContaining('it has no package.json, and there is no index.js'),
    });
    const wrong = tempApp({ 'package.json': manifest({ main: 'dist/main.js' }), 'dist/mian.js': '' });
    expect(refusal(wrong)).toMatchObject({
      message: expect.stringMatching(/names dist\/main\.js as its entry.*did you mean mian\.js\?/),
    });
    const broken = tempApp({ 'package.json': '{ nonsense' });
    expect(refusal(broken)).toMatchObject({ message: expect.stringContaining('package.json cannot be read') });
    mkdirSync(join(empty, 'app.js'));
    expect(refusal(join(empty, 'app.js'))).toMatchObject({ message: expect.stringContaining('is a directory') });
  });
});
