import { expect, test } from 'vitest';
import { type Circumstances, dangerOf, mayUpgrade } from '../../../src/master/may-upgrade.ts';

/** A master that a person has started in a shell. */
const shell: Circumstances = { pid: 42, ppid: 41, env: {}, hasTerminal: true, leadsSession: false, mode: 'auto' };

test('a master in a shell may be upgraded', () => {
  expect(mayUpgrade(shell)).toBeUndefined();
  expect(mayUpgrade({ ...shell, mode: 'off' })).toMatch(/--upgrade off/);
});

test.for([
  ['PID 1', { pid: 1, ppid: 0 }, /the container ends/],
  ['a service manager', { env: { NOTIFY_SOCKET: '/run/notify' } }, /NOTIFY_SOCKET/],
  ['no terminal', { hasTerminal: false }, /parent: pid 41/],
  ['the terminal closes with it', { leadsSession: true }, /session/],
] as [string, Partial<Circumstances>, RegExp][])('%s: refused, unless by force', ([, differs, why]) => {
  const circumstances = { ...shell, ...differs };
  expect(mayUpgrade(circumstances)).toMatch(why);
  expect(mayUpgrade({ ...circumstances, mode: 'force' })).toBeUndefined();
  expect(dangerOf({ ...circumstances, mode: 'force' })).toMatch(why);
});
