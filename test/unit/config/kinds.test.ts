import { describe, expect, it } from 'vitest';
import { type Kind, list, Wrong } from '../../../src/config/kind.ts';
import * as kinds from '../../../src/config/kinds.ts';

/** What a kind makes of a word, or why it refuses it. */
const parsed = (kind: Kind<unknown, unknown>, ...words: string[]) => plain(kind.parse(words, '/srv/shop'));
const checked = (kind: Kind<unknown, unknown>, value: unknown) => plain(kind.check(value, '/srv/shop'));
const plain = (value: unknown) => (value instanceof Wrong ? `! ${value.text}` : value);

describe('a duration', () => {
  const kind = kinds.seconds();
  it.each([
    ['30', 30],
    ['0', 0],
    ['1.5', 1.5],
    ['500ms', 0.5],
    ['30s', 30],
    ['5m', 300],
    ['2h', 7200],
    ['1d', 86400],
  ])('%s', (word, value) => {
    expect(parsed(kind, word)).toBe(value);
    expect(checked(kind, word)).toBe(value);
  });
  it.each(['', 's', '-1', '5 m', '5w', '1e3', 'Infinity', '25d'])('refuses "%s"', (word) => {
    expect(parsed(kind, word)).toBe(`! expected seconds, such as 30, 500ms or 5m, got "${word}"`);
  });
  it('is seconds as a number, and within what a timer can wait for', () => {
    expect(checked(kind, 0.25)).toBe(0.25);
    expect(checked(kind, -1)).toBe('! expected seconds, such as 30, 500ms or 5m, got -1 (number)');
    expect(checked(kind, Number.NaN)).toContain('got NaN (number)');
    expect(checked(kind, 2_147_484)).toContain('got 2147484 (number)');
    expect(checked(kind, true)).toContain('got true (boolean)');
  });
  it('can have a lower limit', () => {
    expect(parsed(kinds.seconds({ min: 1 }), '500ms')).toContain('expected seconds (at least 1)');
  });
});

describe('an amount of memory', () => {
  const kind = kinds.bytes();
  it.each([
    ['512', 512],
    ['1K', 1024],
    ['512M', 512 * 2 ** 20],
    ['1.5g', 1.5 * 2 ** 30],
    ['2GiB', 2 ** 31],
    ['1TB', 2 ** 40],
    ['7B', 7],
  ])('%s', (word, value) => {
    expect(parsed(kind, word)).toBe(value);
  });
  it('refuses anything else', () => {
    expect(parsed(kind, '12X')).toBe('! expected an amount of memory, such as 512M or 1.5G, got "12X"');
    expect(checked(kind, 1.5)).toContain('got 1.5 (number)');
    expect(checked(kind, 1024)).toBe(1024);
  });
});

describe('a whole number', () => {
  const port = kinds.whole('port', 0, 65535);
  it('keeps its range', () => {
    expect(parsed(port, '65535')).toBe(65535);
    expect(parsed(port, '65536')).toBe('! expected a whole number from 0 to 65535, got "65536"');
    expect(parsed(port, '1.5')).toContain('got "1.5"');
    expect(parsed(port, '0x10')).toContain('got "0x10"');
    expect(checked(port, '80')).toBe('! expected a whole number from 0 to 65535, got "80" (string)');
    expect(parsed(kinds.whole('n', 1), '0')).toBe('! expected a whole number of at least 1, got "0"');
  });
  it('is the last one given', () => {
    expect(parsed(port, '1', '2')).toBe(2);
  });
});

describe('the number of workers', () => {
  const kind = kinds.workers();
  it('is a number or auto', () => {
    expect(parsed(kind, '4')).toBe(4);
    expect(parsed(kind, 'auto')).toBeGreaterThanOrEqual(1);
    expect(checked(kind, 'auto')).toBe(parsed(kind, 'auto'));
    expect(checked(kind, 4)).toBe(4);
  });
  it.each(['0', '-1', 'four', '1.5', ''])('refuses "%s"', (word) => {
    expect(parsed(kind, word)).toBe(`! expected a whole number of at least 1 or "auto", got "${word}"`);
  });
  it('takes no number in quotes from a file', () => {
    expect(checked(kind, '4')).toBe('! expected a whole number of at least 1 or "auto", got "4" (string)');
  });
});

describe('permission bits', () => {
  const kind = kinds.mode();
  it('are octal', () => {
    expect(parsed(kind, '0660')).toBe(0o660);
    expect(parsed(kind, '22')).toBe(0o22);
    expect(parsed(kind, '0o27')).toBe(0o27);
    expect(checked(kind, 0o660)).toBe(0o660);
    expect(checked(kind, '0660')).toBe(0o660);
    expect(kind.show(0o22)).toBe('022');
  });
  it('are refused when they are not', () => {
    expect(parsed(kind, '668')).toContain('expected an octal mode');
    expect(parsed(kind, '1777')).toContain('expected an octal mode');
    expect(checked(kind, 660)).toContain('got 660 (number)');
  });
});

describe('other kinds', () => {
  it('choice: one of a few words, in any case, with aliases', () => {
    const level = kinds.choice('level', ['info', 'warn'], { warning: 'warn' });
    expect(parsed(level, 'INFO')).toBe('info');
    expect(parsed(level, 'warning')).toBe('warn');
    expect(parsed(level, 'loud')).toBe('! expected info or warn, got "loud"');
    expect(parsed(level, 'constructor')).toContain('expected info or warn');
    expect(checked(level, 3)).toContain('got 3 (number)');
  });
  it('flag: on or off', () => {
    expect(parsed(kinds.flag(), 'false')).toBe(false);
    expect(parsed(kinds.flag(), 'yes')).toBe('! expected true or false, got "yes"');
    expect(checked(kinds.flag(), true)).toBe(true);
    expect(checked(kinds.flag(), 'true')).toContain('got "true" (string)');
  });
  it('path: absolute, below the working directory', () => {
    expect(parsed(kinds.path('path'), 'tsgun.pid')).toBe('/srv/shop/tsgun.pid');
    expect(parsed(kinds.path('path'), '/run/x')).toBe('/run/x');
    expect(parsed(kinds.path('path'), '-')).toBe('/srv/shop/-');
    expect(parsed(kinds.path('path', { dash: 'standard error' }), '-')).toBe('-');
    expect(parsed(kinds.path('path', { dash: 'standard error' }), '')).toBe(
      '! expected a path, or "-" for standard error, got ""',
    );
  });
  it('path: "off" is a word only where there can be none', () => {
    expect(parsed(kinds.path('path', { off: true }), 'off')).toBe('off');
    expect(parsed(kinds.path('path', { off: true }), './off')).toBe('/srv/shop/off');
    expect(parsed(kinds.path('path'), 'off')).toBe('/srv/shop/off');
    expect(parsed(kinds.path('path', { off: true }), '')).toBe('! expected a path, or "off", got ""');
  });
  it('text: not empty', () => {
    expect(parsed(kinds.text('name'), 'shop')).toBe('shop');
    expect(parsed(kinds.text('name'), '')).toContain('expected a text');
    expect(parsed(kinds.text('name'), 'a\0')).toContain('expected a text');
    expect(checked(kinds.text('name'), 5)).toContain('got 5 (number)');
  });
  it('hook: a function of the file', () => {
    const hook = kinds.hook<() => void>('() => void');
    const call = () => {};
    expect(hook.check(call, '')).toBe(call);
    expect(plain(hook.check({}, ''))).toBe('! expected a function, got an empty object');
  });
  it('list: several, or one', () => {
    const paths = list(kinds.path('path'));
    expect(parsed(paths, 'a', '/b')).toEqual(['/srv/shop/a', '/b']);
    expect(checked(paths, 'a')).toEqual(['/srv/shop/a']);
    expect(checked(paths, ['a', 5])).toBe('! expected a path, got 5 (number)');
    expect(paths.type).toBe('string | string[]');
  });
  it('address: parsed, unix paths absolute', () => {
    const address = kinds.address();
    expect(parsed(address, 'unix:a.sock')).toEqual({ kind: 'unix', path: '/srv/shop/a.sock' });
    expect(parsed(address, ':99999')).toContain('expected a port from 0 to 65535');
    expect(checked(address, 8000)).toContain('got 8000 (number)');
  });
  it('tcpAddress: only TCP, and the port has to be given', () => {
    const address = kinds.tcpAddress();
    expect(parsed(address, ':9000')).toMatchObject({ kind: 'tcp', host: '0.0.0.0', port: 9000 });
    expect(parsed(address, '[::1]:9000')).toMatchObject({ host: '::1', port: 9000 });
    expect(parsed(address, '9000')).toMatchObject({ host: '0.0.0.0', port: 9000 });
    for (const word of ['127.0.0.1', '[::1]', 'unix:/a.sock', 'unix:/a:1', 'fd://3'])
      expect(parsed(address, word)).toBe(`! expected HOST:PORT, PORT or [IPV6]:PORT, got "${word}"`);
  });
});

describe('environment variables', () => {
  const kind = kinds.variables();
  it('are pairs, the later one of a name wins', () => {
    expect(parsed(kind, 'A=1', 'B=x=y', 'C=', 'A=2')).toEqual({ A: '2', B: 'x=y', C: '' });
    expect(checked(kind, ['A=1'])).toEqual({ A: '1' });
    expect(checked(kind, { A: 1, B: true, C: 'x' })).toEqual({ A: '1', B: 'true', C: 'x' });
  });
  it('are refused when they are not', () => {
    expect(parsed(kind, 'A')).toBe('! expected NAME=value, got "A" (string)');
    expect(parsed(kind, '=1')).toContain('expected NAME=value');
    expect(checked(kind, { A: null })).toBe('! A: expected a string, a number or true or false, got null');
    expect(checked(kind, 'A=1')).toContain('expected an object or an array');
    expect(checked(kind, ['A=1', 5])).toContain('got 5 (number)');
    expect(checked(kind, { A: 'x\0y' })).toContain('expected NAME=value');
    expect(checked(kind, { 'A=B': 'c' })).toBe('! expected the name of a variable, got "A=B" (string)');
  });
});
