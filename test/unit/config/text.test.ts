import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAppSpec } from '../../../src/config/app-spec.ts';
import { didYouMean, nearest } from '../../../src/config/nearest.ts';
import { toRoff } from '../../../src/config/roff.ts';
import { shellWords } from '../../../src/config/shell-words.ts';

describe('parseAppSpec', () => {
  const parse = (text: string, existing: string[] = []) =>
    parseAppSpec(text, '/srv', (path) => existing.includes(path));

  it.each([
    ['app.js', { file: '/srv/app.js' }],
    ['/opt/app.js', { file: '/opt/app.js' }],
    ['.', { file: '/srv' }],
    ['app.js:handler', { file: '/srv/app.js', exportName: 'handler' }],
    ['app.js:create()', { file: '/srv/app.js', exportName: 'create', factoryArgs: [] }],
    [
      'app.js:create(1, "a:b)", {"c/d": [null]})',
      { file: '/srv/app.js', exportName: 'create', factoryArgs: [1, 'a:b)', { 'c/d': [null] }] },
    ],
    ['a:b/app.js', { file: '/srv/a:b/app.js' }],
    ['a:b/app.js:$x', { file: '/srv/a:b/app.js', exportName: '$x' }],
    ['app (copy).js', { file: '/srv/app (copy).js' }],
  ])('%s', (text, spec) => {
    expect(parse(text)).toEqual(spec);
  });

  it('prefers a file whose name has the colon', () => {
    expect(parse('app:v2', ['/srv/app:v2'])).toEqual({ file: '/srv/app:v2' });
    expect(parse('app:v2')).toEqual({ file: '/srv/app', exportName: 'v2' });
  });

  it.each([
    ['', 'expected FILE, FILE:NAME or FILE:NAME(ARGUMENTS), got an empty text'],
    ['app.js:', 'got "app.js:"'],
    [':create', 'got ":create"'],
    ['app.js:1x', 'got "app.js:1x"'],
    ['app.js:create(', 'got "app.js:create("'],
    ["app.js:create('x')", `the arguments of "create" have to be JSON, with strings in double quotes, got ('x')`],
    ['app.js:create(x)', 'have to be JSON'],
  ])('refuses "%s"', (text, why) => {
    expect(parse(text)).toContain(why);
  });
});

describe('nearest', () => {
  const names = ['workers', 'workerTimeout', 'bind', 'backlog', 'gracefulTimeout'];
  it.each([
    ['worker', 'workers'],
    ['wrokers', 'workers'],
    ['BIND', 'bind'],
    ['bnid', 'bind'],
    ['gracefull_timeout', 'gracefulTimeout'],
    ['threads', undefined],
    ['b', undefined],
    ['', undefined],
  ])('%s → %s', (word, expected) => {
    expect(nearest(word, names)).toBe(expected);
  });
  it('words the question, or nothing', () => {
    expect(didYouMean('bnd', names)).toBe('; did you mean "bind"?');
    expect(didYouMean('xyz', names)).toBe('');
  });
});

describe('shellWords', () => {
  it.each([
    ['', []],
    ['  -w   4\t--bind=:80\n', ['-w', '4', '--bind=:80']],
    [`--name 'a "b" c' -e A="x y"z`, ['--name', 'a "b" c', '-e', 'A=x yz']],
    [`a\\ b "c\\"d\\\\e\\f" '' ""`, ['a b', 'c"d\\e\\f', '', '']],
    [`'$HOME' "$HOME" *`, ['$HOME', '$HOME', '*']],
  ])('%j', (text, words) => {
    expect(shellWords(text)).toEqual(words);
  });
  it.each([`'a`, `a "b`, `a\\`])('refuses %s', (text) => {
    expect(shellWords(text)).toBeUndefined();
  });
  it('gives back what was quoted', () => {
    const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
        expect(shellWords(words.map(quote).join(' '))).toEqual(words);
      }),
    );
  });
});

describe('toRoff', () => {
  const body = (markdown: string) =>
    toRoff(markdown, { name: 'x', section: 1, date: '2026-01-01', source: 'y' }).split('\n').slice(2).join('\n');

  it('writes headings, paragraphs and what stands out in them', () => {
    expect(
      body(
        '# x(1)\n<!-- no -->\n## NAME\n\nx - does **it** with `--a-b` for *you*\nand [more](https://a.b) in [y(5)](y.5.md)\n\n### Sub\n',
      ),
    ).toBe(
      '.SH "NAME"\nx - does \\fBit\\fR with \\fB\\-\\-a\\-b\\fR for \\fIyou\\fR\nand more <https://a.b> in \\fBy\\fR(5)\n.SS "Sub"\n',
    );
  });
  it('writes items with and without a tag, and tables as tagged items', () => {
    expect(body('- **-a**\\\n  First.\n\n  Second.\n- plain\n\n| a | b |\n|---|---|\n| `x \\| y` | z |\n')).toBe(
      '.TP\n\\fB\\-a\\fR\nFirst.\n.IP\nSecond.\n.IP \\(bu 2\nplain\n.TP\n\\fBx | y\\fR\nz\n',
    );
  });
  it('keeps code as it is, and no line becomes a request', () => {
    expect(body("text\n\n```\n.x 'y' \\n ~\n```\n\n.hidden\n")).toBe(
      '.PP\ntext\n.PP\n.RS 4\n.EX\n\\&.x \\(aqy\\(aq \\en \\(ti\n.EE\n.RE\n.PP\n\\&.hidden\n',
    );
    expect(body('5 → 6')).toBe('.PP\n5 \\[u2192] 6\n');
  });
});
