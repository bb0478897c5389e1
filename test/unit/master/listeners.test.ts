/** The sockets of the master, without a master. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Listeners } from '../../../src/master/listeners.ts';
import { tempDir } from '../../helpers/temp.ts';

const tcp = { kind: 'tcp', host: '127.0.0.1', port: 0, text: '127.0.0.1:0' } as const;

test('sockets of a reload that still binds others outlive the end of an older generation', async () => {
  const listeners = new Listeners({ mode: 0o660, group: undefined });
  const path = join(tempDir(), 'a.sock');
  const bound = listeners.bindAlso([tcp, { kind: 'unix', path }]);
  listeners.keepExplicit(new Set());
  expect(await bound).toHaveLength(2);
  listeners.closeAll();
});
