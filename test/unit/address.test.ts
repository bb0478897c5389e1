import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, addressUrl, formatAddress, parseAddress, resolveAddress } from '../../src/shared/address.ts';

const tcp = (host: string | null, port: number, text: string) => ({ kind: 'tcp', host, port, text });

describe('parseAddress', () => {
  it.each([
    ['127.0.0.1:8000', tcp('127.0.0.1', 8000, '127.0.0.1:8000')],
    ['localhost:80', tcp('localhost', 80, 'localhost:80')],
    ['example.org', tcp('example.org', 8000, 'example.org:8000')],
    ['127.0.0.1', tcp('127.0.0.1', 8000, '127.0.0.1:8000')],
    ['my_host.:1', tcp('my_host.', 1, 'my_host.:1')],
    ['8080', tcp('0.0.0.0', 8080, '0.0.0.0:8080')],
    [':8080', tcp('0.0.0.0', 8080, '0.0.0.0:8080')],
    [':0', tcp('0.0.0.0', 0, '0.0.0.0:0')],
    ['*:8080', tcp(null, 8080, '*:8080')],
    ['*', tcp(null, 8000, '*:8000')],
    ['[::1]:8080', tcp('::1', 8080, '[::1]:8080')],
    ['[::]', tcp('::', 8000, '[::]:8000')],
    ['[fe80::1%eth0]:1', tcp('fe80::1%eth0', 1, '[fe80::1%eth0]:1')],
    ['tcp://127.0.0.1:9000', tcp('127.0.0.1', 9000, '127.0.0.1:9000')],
    ['TCP://:9000', tcp('0.0.0.0', 9000, '0.0.0.0:9000')],
    ['tcp://[::1]', tcp('::1', 8000, '[::1]:8000')],
    ['unix:/run/shop.sock', { kind: 'unix', path: '/run/shop.sock' }],
    ['unix:///run/shop.sock', { kind: 'unix', path: '/run/shop.sock' }],
    ['unix:shop.sock', { kind: 'unix', path: 'shop.sock' }],
    ['unix://shop.sock', { kind: 'unix', path: 'shop.sock' }],
    ['fd://3', { kind: 'fd', fd: 3 }],
  ])('%s', (text, address) => {
    if (typeof address === 'string') expect(parseAddress(text)).toContain(address);
    else expect(parseAddress(text)).toEqual(address);
  });

  it.each([
    ['', 'expected HOST:PORT'],
    ['127.0.0.1:65536', 'expected a port from 0 to 65535, got "65536"'],
    ['127.0.0.1:', 'expected a port from 0 to 65535, got ""'],
    ['127.0.0.1:80a', 'got "80a"'],
    ['99999', 'expected a port from 0 to 65535, got "99999"'],
    ['10.0.0.256:80', 'expected HOST:PORT'],
    ['::1', 'in brackets'],
    ['::1:8000', 'in brackets'],
    ['[::1', 'expected HOST:PORT'],
    ['[nonsense]:80', '"nonsense" is not an IPv6 address'],
    ['[127.0.0.1]:80', 'is not an IPv6 address'],
    ['http://localhost:80', 'expected HOST:PORT'],
    ['tcp://', 'expected HOST:PORT'],
    ['a b:80', 'expected HOST:PORT'],
    ['unix:', 'needs a path'],
    ['unix://', 'needs a path'],
    ['unix:@shop', 'abstract'],
    ['unix:/a\0b', 'abstract'],
    ['fd://', 'expected'],
    ['fd://x', 'expected'],
    ['fd:80', 'expected'],
    ['tcp:80', 'expected'],
    ['fd://-1', 'expected'],
  ])('refuses %j', (text, why) => {
    expect(parseAddress(text)).toContain(why);
  });

  it.runIf(process.platform === 'linux')('measures the path of a unix socket in bytes', () => {
    expect(parseAddress(`unix:/${'x'.repeat(106)}`)).toMatchObject({ kind: 'unix' });
    expect(parseAddress(`unix:/${'x'.repeat(107)}`)).toContain('108 bytes, the system allows 107');
    expect(parseAddress(`unix:/${'ä'.repeat(54)}`)).toContain('109 bytes');
  });

  it('reads what it has written', () => {
    const host = fc.oneof(fc.constant(null), fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 65535 }), (name, port) => {
        const text = formatAddress({ kind: 'tcp', host: name, port, text: '' });
        expect(parseAddress(text)).toEqual({ kind: 'tcp', host: name, port, text });
        expect(parseAddress(`tcp://${text}`)).toEqual(parseAddress(text));
      }),
    );
  });

  it('answers every text with an address or a sentence', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const address = parseAddress(text);
        if (typeof address === 'string') expect(address).not.toBe('');
        else expect(parseAddress(formatAddress(address))).toEqual(address);
      }),
    );
  });
});

describe('resolveAddress', () => {
  it('makes the path of a unix socket absolute, and measures that', () => {
    expect(resolveAddress({ kind: 'unix', path: 'a.sock' }, '/run/shop')).toEqual({
      kind: 'unix',
      path: '/run/shop/a.sock',
    });
    expect(resolveAddress({ kind: 'unix', path: 'a.sock' }, `/${'x'.repeat(120)}`)).toContain('128 bytes');
    expect(resolveAddress({ kind: 'fd', fd: 3 }, '/run')).toEqual({ kind: 'fd', fd: 3 });
  });
});

describe('addressUrl', () => {
  it.each([
    ['127.0.0.1:8000', 'http://127.0.0.1:8000'],
    [':8000', 'http://127.0.0.1:8000'],
    ['*:8000', 'http://127.0.0.1:8000'],
    ['[::]:8000', 'http://[::1]:8000'],
    ['[0:0:0:0:0:0:0:0]:8000', 'http://[::1]:8000'],
    ['[fe80::1%eth0]:1', 'http://[fe80::1%25eth0]:1'],
    ['localhost:80', 'http://localhost:80'],
    ['unix:/run/shop.sock', 'unix:/run/shop.sock'],
    ['fd://3', 'fd://3'],
  ])('%s is shown as %s', (text, url) => {
    expect(addressUrl(parseAddress(text) as Address)).toBe(url);
  });
});
