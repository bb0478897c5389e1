import { expect, test } from 'vitest';
import { type Copy, chooseCopy, sameFolderBelow } from '../../../src/master/worker-file.ts';

test.for([
  ['/srv/1', '/srv/1/node_modules/tsgun', '/srv/current/node_modules/tsgun'],
  [
    '/srv/1',
    '/srv/1/node_modules/.pnpm/tsgun@1.0.0/node_modules/tsgun',
    '/srv/current/node_modules/.pnpm/tsgun@1.0.0/node_modules/tsgun',
  ],
  ['/srv/1', '/srv/1', '/srv/current'],
  ['/', '/usr/lib/node_modules/tsgun', undefined],
  ['/srv/1', '/usr/lib/node_modules/tsgun', undefined],
  ['/srv/1', '/srv/10/node_modules/tsgun', undefined],
  ['/srv/1/packages/shop', '/srv/1/node_modules/tsgun', undefined],
] as const)('started in %s, tsgun in %s: %s', ([startCwd, folder, expected]) => {
  expect(sameFolderBelow('/srv/current', folder, startCwd)).toBe(expected);
});

const choose = (own: string | undefined, below?: Copy) =>
  chooseCopy({ pid: 7, version: '1.0.0', copy: { folder: '/own', version: own } }, below);
const below = (version: string | undefined): Copy => ({ folder: '/new', version });

test('the copy of the release that is served, when it is of the same version', () => {
  expect(choose('1.0.0', below('1.0.0'))).toEqual({ folder: '/new' });
  expect(choose(undefined, below('1.0.0'))).toEqual({ folder: '/new' });
});

test('tsgun is installed elsewhere: its own', () => {
  expect(choose('1.0.0')).toEqual({ folder: '/own' });
});

test('another version: its own, with a warning', () => {
  expect(choose('1.0.0', below('1.1.0'))).toEqual({
    folder: '/own',
    warning: 'workers are started from /own: /new has tsgun 1.1.0, not 1.0.0; kill -USR2 7 upgrades the master',
  });
});

test('none in the release: its own, with a warning', () => {
  expect(choose('1.0.0', below(undefined))).toEqual({
    folder: '/own',
    warning: 'workers are started from /own: there is no tsgun in /new',
  });
});

test('its own was overwritten by another version: that one, with a warning', () => {
  expect(choose('1.1.0')).toEqual({
    folder: '/own',
    warning: 'workers are started from /own: /own has tsgun 1.1.0, not 1.0.0; kill -USR2 7 upgrades the master',
  });
  expect(choose('1.1.0', { folder: '/own', version: '1.1.0' })).toEqual(choose('1.1.0'));
});

test('its own is gone: the reason, in a line', () => {
  const gone = 'the files of the running tsgun 1.0.0 are gone from /own';
  expect(choose(undefined)).toEqual({ error: gone });
  expect(choose(undefined, below(undefined))).toEqual({ error: `${gone}, and there are none in /new` });
  expect(choose(undefined, below('1.1.0'))).toEqual({
    error: `${gone}, and /new has version 1.1.0; kill -USR2 7 upgrades the master`,
  });
});
