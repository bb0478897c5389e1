import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCommandLine, readPlainly } from '../../../src/config/arguments.ts';
import { readFully } from '../../../src/config/command.ts';
import * as kinds from '../../../src/config/kinds.ts';
import { setting } from '../../../src/config/setting.ts';
import { settings } from '../../../src/config/settings.ts';
import { version } from '../../../src/config/version.ts';
import { TsgunError } from '../../../src/errors.ts';

const switched = setting({
  section: 'workers',
  flags: '-R, --spin',
  kind: kinds.flag(),
  default: false,
  reload: true,
  help: 'Spin.',
});
const table = { ...settings, spin: switched };
const words = (line: string) => line.split(' ').filter((word) => word !== '');
const plainly = (line: string) => readPlainly(words(line), table);

describe('the quick reader', () => {
  it.each<[string, Record<string, string[]>, string[]]>([
    ['app.js', { app: ['app.js'] }, []],
    ['', {}, []],
    ['app.js -w 4', { app: ['app.js'], workers: ['4'] }, []],
    ['-w4 app.js', { app: ['app.js'], workers: ['4'] }, []],
    ['--workers=4 app.js', { app: ['app.js'], workers: ['4'] }, []],
    ['app.js -b :1 --bind :2 --bind=:3', { app: ['app.js'], bind: [':1', ':2', ':3'] }, []],
    ['app.js -e A=b=c', { app: ['app.js'], env: ['A=b=c'] }, []],
    ['app.js --log-file - --error-logfile x', { app: ['app.js'], errorLogfile: ['-', 'x'] }, []],
    ['app.js --spin --no-spin -R', { app: ['app.js'], spin: ['true', 'false', 'true'] }, []],
    ['app.js -w 2 -- --port 1 -- x', { app: ['app.js'], workers: ['2'] }, ['--port', '1', '--', 'x']],
    ['-- app.js', {}, ['app.js']],
  ])('reads "%s"', (line, expected, argv) => {
    expect(plainly(line)).toEqual({ kind: 'serve', words: new Map(Object.entries(expected)), argv });
  });

  it.each([
    '--help',
    'app.js -h',
    '--version',
    '--worker 4',
    'a.js b.js',
    'app.js -w',
    'app.js --bind --workers 4',
    'app.js --workers=',
    'app.js --spin=true',
    'app.js -Rw4',
    'app.js --no-workers',
    'app.js -w -1',
    'app.js -x',
    '--__proto__ 1',
    '--bind -- x',
  ])('leaves "%s" to commander', (line) => {
    expect(plainly(line)).toBeUndefined();
  });
});

describe('commander', () => {
  const flags = [
    '-w',
    '--workers',
    '-b',
    '--bind',
    '--log-file',
    '--error-logfile',
    '--keep-alive',
    '-R',
    '--spin',
    '--no-spin',
    '-e',
  ];
  const value = fc.oneof(fc.constantFrom('4', '-', '', ':80', '-1', 'A=b', 'app.js', 'auto'), fc.string());
  const word = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...flags) },
    { weight: 2, arbitrary: value },
    fc.tuple(fc.constantFrom(...flags), fc.constantFrom('', '='), value).map((parts) => parts.join('')),
    fc.constantFrom('--', '--help', '-v', '--no-workers', '--nope'),
  );

  it('agrees with the quick reader wherever that answers', () => {
    let answered = 0;
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
        const quick = readPlainly(argv, table);
        if (quick === undefined) return;
        answered++;
        expect(readFully(argv, table)).toEqual(quick);
      }),
      { numRuns: 3000 },
    );
    expect(answered).toBeGreaterThan(300);
  });

  it('reads what the quick reader leaves', () => {
    expect(readFully(words('app.js -w -1 -Re A=1'), table)).toEqual({
      kind: 'serve',
      words: new Map([
        ['workers', ['-1']],
        ['spin', ['true']],
        ['env', ['A=1']],
        ['app', ['app.js']],
      ]),
      argv: [],
    });
  });

  it.each([
    ['app.js --worker 4', 'unknown option "--worker"; did you mean "--workers"?'],
    ['app.js --gracefultimeout=4', 'unknown option "--gracefultimeout"; did you mean "--graceful-timeout"?'],
    ['app.js --threads 4', 'unknown option "--threads"; hint: tsgun --help shows all options'],
    ['app.js --versio', 'unknown option "--versio"; did you mean "--version"?'],
    ['app.js --no-bind', 'unknown option "--no-bind"; did you mean "--bind"?'],
    ['app.js -x', 'unknown option "-x"; hint: tsgun --help shows all options'],
    ['app.js --workers', '-w, --workers: a value is missing'],
    ['app.js --bind --workers 4', '-b, --bind: a value is missing before --workers'],
    ['app.js other.js', '"other.js" is one word too many; hint: the arguments of the application follow --'],
  ])('complains in one line: %s', async (line, message) => {
    const failure = await parseCommandLine(words(line)).catch((error: unknown) => error as TsgunError);
    expect(failure).toBeInstanceOf(TsgunError);
    expect(failure).toMatchObject({ line: message, exitCode: 2 });
  });
});

describe('parseCommandLine', () => {
  it('knows the commands, as the first word', async () => {
    expect(await parseCommandLine(['reload', '--json', 'x'])).toEqual({
      kind: 'command',
      name: 'reload',
      args: ['--json', 'x'],
    });
    expect(await parseCommandLine(['-w', '2', 'status'])).toMatchObject({
      kind: 'serve',
      words: new Map([
        ['workers', ['2']],
        ['app', ['status']],
      ]),
    });
    expect(await parseCommandLine(['toString'])).toMatchObject({ kind: 'serve' });
  });

  it('shows the version', async () => {
    expect(await parseCommandLine(['--version'])).toEqual({ kind: 'version', text: `tsgun ${version}\n` });
    expect(await parseCommandLine(['-v'])).toMatchObject({ kind: 'version' });
  });

  it('shows a help that has every option once, in sections, within 80 columns', async () => {
    const help = await parseCommandLine(['app.js', '--help']);
    if (help.kind !== 'help') throw new Error(`got ${help.kind}`);
    const lines = help.text.split('\n');
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.filter((line) => /^[A-Z].*:$/.test(line))).toEqual([
      'Arguments:',
      'Options:',
      'Application:',
      'Server socket:',
      'Worker processes:',
      'Reload:',
      'Server mechanics:',
      'Logging:',
      'Commands for a running instance (tsgun COMMAND --help):',
    ]);
    for (const row of Object.values(settings)) {
      if (row.flags === undefined) continue;
      const shown = row.flags
        .split(', ')
        .slice(0, row.flags.startsWith('--') ? 1 : 2)
        .join(', ');
      expect(lines.filter((line) => line.startsWith(`  ${shown} <`))).toHaveLength(1);
    }
    expect(help.text).toContain('  reload  ');
  });
});
