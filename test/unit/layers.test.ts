import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { breaches, importsOf, type SourceFile } from '../helpers/layers.ts';

const root = join(import.meta.dirname, '../..');

function sources(): SourceFile[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(join(root, 'src', path), 'utf8') }));
}

test('src/ imports downward only', () => {
  const { dependencies = {}, peerDependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const files = sources();
  expect(files.map((file) => file.path)).toEqual(expect.arrayContaining(['errors.ts', 'shared/protocol.ts']));
  expect(breaches(files, [...Object.keys(dependencies), ...Object.keys(peerDependencies)])).toEqual([]);
});

test('the rules are enforced', () => {
  const judge = (path: string, text: string) => breaches([{ path, text }], ['pino', '@scope/it']);
  expect(judge('master/run.ts', "import { a } from '../worker/main.ts';")).toEqual([
    'master/run.ts: master must not import worker (../worker/main.ts)',
  ]);
  expect(judge('worker/app.ts', "const { a } = await import('../master/run.ts');")).toHaveLength(1);
  expect(judge('worker/app.ts', "import { step } from '../supervise/step.ts';")).toHaveLength(1);
  expect(judge('config/load.ts', "export * from '../cli/main.ts';")).toHaveLength(1);
  expect(judge('shared/log.ts', "import type {\n  A,\n  B,\n} from '../config/settings.ts';")).toHaveLength(1);
  expect(judge('supervise/step.ts', "import { setTimeout } from 'node:timers';")).toHaveLength(1);
  expect(judge('supervise/step.ts', "import { TsgunError } from '../errors.ts';")).toHaveLength(1);
  expect(judge('supervise/step.ts', "import { CMD } from '../shared/protocol.ts';")).toHaveLength(1);
  expect(judge('supervise/step.ts', "import type { Boot } from '../shared/protocol.ts';")).toEqual([]);
  expect(judge('elsewhere/a.ts', '')).toEqual(['elsewhere/a.ts: src/elsewhere is no layer']);
  expect(judge('master/run.ts', "import './signals';")).toHaveLength(1);
  expect(judge('master/run.ts', "import { x } from 'unlisted/sub';")).toEqual([
    'master/run.ts: unlisted is not among the dependencies',
  ]);
  expect(judge('master/run.ts', 'net._createServerHandle(null, 0);')).toHaveLength(1);
  expect(judge('master/run.ts', '// as net._createServerHandle does')).toEqual([]);
  expect(judge('master/listeners-unix.ts', 'net._createServerHandle(null, 0);')).toEqual([]);
  expect(judge('worker/listen.ts', 'cluster._getServer = mine;')).toEqual([]);
  const twice = ['master/a.ts', 'shared/b.ts'].map((path) => ({ path, text: "import it from '@scope/it/sub';" }));
  expect(breaches(twice, ['@scope/it'])).toEqual(['@scope/it is imported in 2 files: master/a.ts, shared/b.ts']);
});

test('imports are found, in whatever form, and text is not mistaken for them', () => {
  const text = `
    import a, { type b } from './one.ts';
    import type { c } from "./two.ts";
    import './three.ts';
    export { d } from './four.ts';
    export type { e } from './five.ts';
    const f = await import('./six.ts'), g = require('./seven.ts');
    type H = import('./eight.ts').H;
    // import './no.ts';
    /* import './no.ts'; */
    const url = 'http://x.test'; const help = "run: import 'no'";
    export const i = 'from'; export const j = './no.ts';`;
  expect(importsOf(text).map(({ from, typeOnly }) => `${from}${typeOnly ? ' type' : ''}`)).toEqual([
    './one.ts',
    './two.ts type',
    './three.ts',
    './four.ts',
    './five.ts type',
    './six.ts',
    './seven.ts',
    './eight.ts',
  ]);
});
