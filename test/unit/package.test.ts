import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { needs } from '../helpers/requires.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json'));

/** What `npm pack` would put into the package. */
function packed(): string[] {
  const json = execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(json)[0].files.map((file: { path: string }) => file.path);
}

test('the top level is fixed', (context) => {
  const [git] = needs(context, 'git');
  const list = execFileSync(git as string, ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const top = new Set(
    list
      .split('\n')
      .filter(Boolean)
      .map((path) => path.split('/')[0] as string),
  );
  const named = [
    'bin',
    'src',
    'examples',
    'test',
    'man',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'LICENSE',
  ];
  expect([...top].filter((name) => !named.includes(name) && !name.startsWith('.') && !name.endsWith('.md'))).toEqual(
    [],
  );
});

test('the executable is one file with a shebang and one import', () => {
  expect(manifest.bin).toEqual({ tsgun: 'bin/tsgun.js' });
  const code = read('bin/tsgun.js');
  expect(code.startsWith('#!/usr/bin/env node\n')).toBe(true);
  expect(code.match(/\b(import|require)\b/g)).toHaveLength(1);
  expect(statSync(join(root, 'bin/tsgun.js')).mode & 0o111).toBe(0o111);
});

test('the package carries what it runs and documents, and nothing else', () => {
  const files = packed();
  expect(files).toEqual(
    expect.arrayContaining([
      'bin/tsgun.js',
      'dist/cli/main.cjs',
      'dist/worker/main.cjs',
      'dist/index.js',
      'package.json',
      'README.md',
      'LICENSE',
    ]),
  );
  expect(files.filter((path) => !/^(bin|dist|man|src)\/|^[A-Z]+(\.md)?$|^package\.json$/.test(path))).toEqual([]);
  const entry = manifest.exports['.'];
  for (const path of [entry.types, entry.default ?? entry.import, ...[manifest.man].flat()]) {
    expect(files).toContain(path.replace(/^\.\//, ''));
  }
});

test('manual pages are roff, with their sources beside them', () => {
  const pages: string[] = [manifest.man].flat();
  expect(pages.map((page) => page.replace(/^\.\//, ''))).toEqual(
    expect.arrayContaining(['man/tsgun.1', 'man/tsgun.config.5']),
  );
  for (const page of pages) {
    expect(read(page)).toMatch(/^\.T[Hh] /m);
    expect(existsSync(join(root, `${page}.md`))).toBe(true);
  }
});

test('versions of development packages are exact, and the lock file names no host', () => {
  const all: Record<string, string> = manifest.devDependencies;
  const exact = /^(npm:(@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/;
  expect(Object.entries(all).filter(([, version]) => !exact.test(version))).toEqual([]);
  const resolved = Object.entries<{ resolved?: string }>(lock.packages).filter(
    ([, entry]) => entry.resolved !== undefined,
  );
  expect(resolved).toEqual([]);
});

test('every dependency runs on the oldest Node that the package promises', () => {
  expect(manifest.engines.node).toBe('>=20.19');
  const promised = [20, 19];
  const needsNewer = (range: string) =>
    range.split('||').every((part) => {
      const [, major = '0', minor = '0'] = /^\s*(?:>=?|\^|~|v)?\s*(\d+)(?:\.(\d+))?/.exec(part) ?? [];
      const oldest = [Number(major), Number(minor)] as const;
      return oldest[0] > promised[0]! || (oldest[0] === promised[0] && oldest[1] > promised[1]!);
    });
  const packages = Object.entries<{ engines?: { node?: string }; dev?: boolean; optional?: boolean }>(lock.packages);
  const production = packages.filter(([, entry]) => entry.dev !== true && entry.optional !== true);
  expect(production.length).toBeGreaterThan(3);
  expect(production.filter(([, entry]) => needsNewer(entry.engines?.node ?? '*')).map(([path]) => path)).toEqual([]);
});
