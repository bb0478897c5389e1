import { expect, test } from 'vitest';
import { TsgunError } from '../../../src/errors.ts';
import { bindError, refuseDoubles } from '../../../src/master/bind-errors.ts';
import { StackCounter } from '../../../src/master/stacks.ts';
import { startWarnings } from '../../../src/master/warnings.ts';
import type { Address } from '../../../src/shared/address.ts';

test('a bind error names the address, what is wrong, who holds it, and the likely cause', () => {
  const inUse = bindError('127.0.0.1:80', 'EADDRINUSE', { owner: 'pid 4242, node server.js' });
  expect(inUse.message).toBe('cannot bind 127.0.0.1:80: the address is in use (pid 4242, node server.js)');
  expect(inUse.hint).toMatch(/--bind/);
  expect(inUse.exitCode).toBe(1);
  expect(bindError('0.0.0.0:80', 'EACCES').hint).toMatch(/CAP_NET_BIND_SERVICE/);
  expect(bindError('unix:/run/a.sock', 'EACCES').hint).toMatch(/directory/);
  expect(bindError('unix:/a', 'EEXIST', { detail: 'there is a file' }).message).toMatch(/there is a file$/);
  expect(bindError('1.2.3.4:1', 'ESTRANGE').message).toBe('cannot bind 1.2.3.4:1: ESTRANGE');
});

const tcp = (host: string | null, port: number): Address => ({ kind: 'tcp', host, port, text: `${host}:${port}` });
const unix = (path: string): Address => ({ kind: 'unix', path });

test.for([
  ['the same port twice', [tcp('127.0.0.1', 80), tcp('127.0.0.1', 80)], true],
  ['every address, and one of them', [tcp(null, 80), tcp('127.0.0.1', 80)], true],
  ['the same path twice', [unix('/a'), unix('/b'), unix('/a')], true],
  ['two ports', [tcp('127.0.0.1', 80), tcp('127.0.0.1', 81)], false],
  ['two addresses', [tcp('127.0.0.1', 80), tcp('::1', 80)], false],
  ['two free ports', [tcp('127.0.0.1', 0), tcp('127.0.0.1', 0)], false],
  ['a path and a port', [unix('/a'), tcp('127.0.0.1', 80)], false],
] as [string, Address[], boolean][])('binding %s', ([, addresses, refused]) => {
  if (refused) expect(() => refuseDoubles(addresses)).toThrow(TsgunError);
  else expect(() => refuseDoubles(addresses)).not.toThrow();
});

test('stacks are counted; of a hundred the one that was seen longest ago is forgotten', () => {
  const stacks = new StackCounter();
  expect([stacks.count('a'), stacks.count('b'), stacks.count('a')]).toEqual([1, 1, 2]);
  for (let i = 0; i < 99; i++) stacks.count(`other ${i}`);
  expect(stacks.count('a')).toBe(3);
  expect(stacks.count('b')).toBe(1);
});

const loopback = { family: 'IPv4', address: '127.0.0.1', port: 80 } as const;
const anywhere = { family: 'IPv4', address: '0.0.0.0', port: 80 } as const;
const inContainer = { KUBERNETES_SERVICE_HOST: '10.0.0.1', NODE_ENV: 'production' };

test('warnings at the start', () => {
  expect(startWarnings({ NODE_ENV: 'production' }, 0, [anywhere])).toEqual([expect.stringMatching(/run as root/)]);
  expect(startWarnings({}, 1000, [anywhere])).toEqual([expect.stringMatching(/NODE_ENV/)]);
  expect(startWarnings(inContainer, 1000, [loopback])).toEqual([expect.stringMatching(/loopback only/)]);
  expect(startWarnings(inContainer, 1000, [loopback, anywhere])).toEqual([]);
  expect(startWarnings(inContainer, 1000, [{ path: '/run/a.sock' }])).toEqual([]);
});
