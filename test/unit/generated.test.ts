import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { fill } from '../../src/config/manual.ts';
import { toRoff } from '../../src/config/roff.ts';
import { version } from '../../src/config/version.ts';
import { needs } from '../helpers/requires.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(root, path), 'utf8');

/** `npm run generate` is this file with --update: it writes what it would else compare. */
const isCurrent = (path: string, text: string) =>
  expect(text, `${path} is not current: run "npm run generate"`).toMatchFileSnapshot(resolve(root, path));

const pages = [
  { name: 'tsgun', section: 1 },
  { name: 'tsgun.config', section: 5 },
];

it.each(pages)('the manual page $name($section) follows from the tables', async ({ name, section }) => {
  const path = `man/${name}.${section}`;
  const markdown = fill(read(`${path}.md`));
  const date = /<!-- date: (\S+) -->/.exec(markdown)?.[1] ?? '';
  await isCurrent(`${path}.md`, markdown);
  await isCurrent(path, toRoff(markdown, { name, section, date, source: `tsgun ${version}` }));
});

it('mandoc finds nothing wrong with the manual pages', (context) => {
  const [mandoc = ''] = needs(context, 'mandoc');
  const files = pages.map(({ name, section }) => resolve(root, `man/${name}.${section}`));
  const { status, stdout } = spawnSync(mandoc, ['-T', 'lint', '-W', 'warning', ...files], { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

it.runIf(existsSync(resolve(root, 'README.md')))('the settings in README.md follow from the tables', async () => {
  const readme = read('README.md');
  expect(readme).toContain('<!-- settings:begin');
  await isCurrent('README.md', fill(readme));
});
