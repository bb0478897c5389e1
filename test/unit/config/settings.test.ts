import { expect, it } from 'vitest';
import { flagsOf } from '../../../src/config/arguments.ts';
import { commands } from '../../../src/config/commands.ts';
import { type AnySetting, sections } from '../../../src/config/setting.ts';
import { settings } from '../../../src/config/settings.ts';

const rows = Object.entries(settings) as [string, AnySetting][];

it('no two settings share a flag, an environment variable or a name of Gunicorn', () => {
  const unique = (names: string[]) => expect(names).toEqual([...new Set(names)]);
  unique([...rows.flatMap(([, row]) => flagsOf(row)), '-h', '--help', '-v', '--version']);
  unique(rows.flatMap(([, row]) => row.env ?? []));
  unique(rows.flatMap(([key, row]) => [key, ...(row.gunicorn === undefined ? [] : [row.gunicorn])]));
});

it.each(rows)('%s: flags, texts and default are what help and manual expect', (_key, row) => {
  expect(row.flags ?? '--x').toMatch(/^(-[a-zA-Z], )?--[a-z-]+(, --[a-z-]+)*$/);
  expect(row.help).toMatch(/^[A-Z].*\.$/);
  expect(row.more ?? 'X.').toMatch(/^\S.*\.$/);
  expect(Object.keys(sections)).toContain(row.section);
  if (row.flags === undefined && !row.positional) expect(row.onThrow).toMatch(/^(abort|log)$/);
});

it.each(['workers', 'bootTimeout', 'backlog', 'socketMode', 'keepAlive', 'logLevel', 'logFormat', 'ready'] as const)(
  '%s: the default as it is shown is read back',
  (key) => {
    const row: AnySetting = settings[key];
    expect(row.kind.parse([row.kind.show(row.default).replace(' s', '')], '/')).toBe(row.default);
  },
);

it('exactly one setting is the first word, and no command has the look of an option', () => {
  expect(rows.filter(([, row]) => row.positional).map(([key]) => key)).toEqual(['app']);
  expect(Object.keys(commands).filter((name) => !/^[a-z]+$/.test(name))).toEqual([]);
});
