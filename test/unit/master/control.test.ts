import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  folderForNew,
  foldersToSearch,
  removeStale,
  socketName,
  socketsIn,
} from '../../../src/master/control/folders.ts';
import type { Instance } from '../../../src/master/control/instance.ts';
import { replyTo } from '../../../src/master/control/routes.ts';
import { ControlServer } from '../../../src/master/control/server.ts';
import type { Status } from '../../../src/shared/status.ts';
import { get } from '../../helpers/http.ts';
import { tempDir } from '../../helpers/temp.ts';

const done = { outcome: 'done', message: '', durationMs: 1, at: '' } as const;
const instance: Instance = { ready: true, status: () => ({ name: 'shop' }) as Status, reload: async () => done };

test('routes: what each door answers', async () => {
  const codes = async (door: 'socket' | 'admin') => {
    const asked = ['GET /status', 'HEAD /status?x', 'POST /reload', 'GET /healthz', 'GET /readyz', 'GET /constructor'];
    return Promise.all(
      asked.map(async (each) => {
        const [method, path] = each.split(' ') as [string, string];
        return (await replyTo(method, path, door, instance)).status;
      }),
    );
  };
  expect(await codes('socket')).toEqual([200, 200, 200, 200, 200, 404]);
  expect(await codes('admin')).toEqual([404, 404, 404, 200, 200, 404]);
  expect(await replyTo('GET', '/readyz', 'admin', { ...instance, ready: false })).toMatchObject({ status: 503 });
  expect(await replyTo('PUT', '/reload', 'socket', instance)).toMatchObject({
    status: 405,
    headers: { Allow: 'POST' },
  });
});

async function serve(reload: Instance['reload']): Promise<{ control: ControlServer; target: string }> {
  const path = join(tempDir(), 'a.sock');
  const control = new ControlServer((method, target) => replyTo(method, target, 'socket', { ...instance, reload }));
  control.server.listen(path);
  await once(control.server, 'listening');
  onTestFinished(() => control.stop({ status: 503, body: {} }));
  return { control, target: `unix:${path}` };
}

test('whoever waits for a rollout when the master ends gets an answer', async () => {
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const { control, target } = await serve(() => {
    asked();
    return new Promise(() => {});
  });
  const answer = get(target, '/reload', { method: 'POST' });
  await isAsked;
  await control.stop({ status: 503, body: { outcome: 'failed' } });
  expect(await answer).toMatchObject({ status: 503, body: '{"outcome":"failed"}\n' });
  await expect(get(target, '/healthz')).rejects.toThrow();
});

test('a reload that throws is an answer, too', async () => {
  const { target } = await serve(() => Promise.reject(new Error('odd')));
  expect(await get(target, '/reload', { method: 'POST', body: '{}' })).toMatchObject({
    status: 500,
    body: '{"error":"Error: odd"}\n',
  });
  const large = await get(target, '/reload', { method: 'POST', body: 'x'.repeat(70_000) });
  expect(large.status).toBe(413);
});

test('the name of the socket: plain letters, the pid, and of a bounded length', () => {
  expect(socketName('app.js', 42)).toBe('app.js.42.sock');
  expect(socketName('../my shop/ü', 42)).toBe('my-shop-.42.sock');
  expect(socketName('..', 42)).toBe('tsgun.42.sock');
  expect(socketName('x'.repeat(500), 4194304).length).toBeLessThan(60);
});

test('the folder: the service’s, else the session’s, which has to be our own', () => {
  const [service, session] = [tempDir(), tempDir()];
  expect(folderForNew({ RUNTIME_DIRECTORY: `${service}:/x`, XDG_RUNTIME_DIR: session })).toBe(service);
  const folder = join(session, 'tsgun');
  expect(folderForNew({ RUNTIME_DIRECTORY: '', XDG_RUNTIME_DIR: session })).toBe(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(foldersToSearch({ RUNTIME_DIRECTORY: service, XDG_RUNTIME_DIR: session }).slice(0, 2)).toEqual([
    service,
    folder,
  ]);
});

test('the folder in the temporary directory is not trusted unless nobody else can have made or filled it', () => {
  const own = join(tempDir(), `tsgun-${process.getuid?.()}`);
  const isSearched = () => foldersToSearch({ TMPDIR: join(own, '..') }).includes(own);
  expect(isSearched()).toBe(false);
  mkdirSync(own, { mode: 0o700 });
  expect(isSearched()).toBe(true);
  chmodSync(own, 0o777);
  expect(isSearched()).toBe(false);
  const other = tempDir();
  chmodSync(other, 0o700);
  const TMPDIR = tempDir();
  const link = join(TMPDIR, `tsgun-${process.getuid?.()}`);
  symlinkSync(other, link);
  expect(foldersToSearch({ TMPDIR })).not.toContain(link);
});

test('sockets in a folder: only those that have the name of one; dead ones are removed', async () => {
  const folder = tempDir();
  const living = createServer().listen(join(folder, 'shop.12.sock'));
  await once(living, 'listening');
  writeFileSync(join(folder, 'note.13.sock'), 'no socket');
  const other = createServer().listen(join(folder, 'other.sock'));
  await once(other, 'listening');
  const found = socketsIn(folder);
  expect(found).toEqual([{ path: join(folder, 'shop.12.sock'), name: 'shop', pid: 12 }]);
  expect(await removeStale(found)).toEqual(found);
  expect(await removeStale([{ path: join(folder, 'gone.1.sock'), name: 'gone', pid: 1 }])).toHaveLength(1);
  expect(readdirSync(folder).sort()).toEqual(['note.13.sock', 'other.sock', 'shop.12.sock']);
  living.close();
  other.close();
  expect(socketsIn(join(folder, 'none'))).toEqual([]);
});
