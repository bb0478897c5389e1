/** The application's own end of life: its listeners run once, when the last response is out, and as in bare Node. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { beginDrain, drainApps, ended, limits } from '../helpers/drain.ts';
import { openKeepAlive } from '../helpers/http.ts';
import { tempApp } from '../helpers/temp.ts';
import { startTsgun, type Tsgun } from '../helpers/tsgun.ts';

/** An unmodified program, which listens and then says what it does with signals. Something else keeps its loop busy. */
const program = (itsEnd: string) => `
  const server = require('node:http').createServer(require(${JSON.stringify(join(drainApps, 'routes.cjs'))}));
  server.on('request', (req, res) => res.on('finish', () => console.error('app: response out')));
  server.listen(3000);
  setInterval(() => {}, 1000);
  ${itsEnd}`;

function serveProgram(itsEnd: string, args: string[] = []): Promise<Tsgun> {
  return startTsgun(['app.js', '-b', '127.0.0.1:0', ...limits, ...args], { cwd: tempApp(program(itsEnd)) }).ready();
}

const said = (tsgun: Tsgun) => tsgun.stderr().match(/^app: .*$/gm);

/** A TERM while a response is under way, which is answered; resolves to what the worker's exit was. */
async function stopWhileBusy(tsgun: Tsgun, ms = 400) {
  const visitor = await openKeepAlive(tsgun.address);
  const answer = visitor.request(`/?ms=${ms}&say=whole`);
  await sleep(50);
  tsgun.signal('SIGTERM');
  expect(await answer).toMatchObject({ body: 'whole', headers: { connection: 'close' } });
  const since = performance.now();
  const { code, ms: after } = await ended(tsgun, since);
  expect(code).toBe(0);
  const { code: workerCode, signal, level } = await tsgun.waitFor('exited');
  expect(level).toBe('info'); // whatever its code is, it was asked to go
  return { workerCode, signal, after };
}

test('server.close() and exit: it runs once, after the last response, and finds its server listening', async () => {
  const tsgun = await serveProgram(`process.on('SIGTERM', (...args) => {
    console.error('app:', ...args, server.listening);
    server.close((error) => {
      console.error('app: closed', error);
      setTimeout(() => process.exit(0), 200); // the database takes its time
    });
  });`);
  const { workerCode, after } = await stopWhileBusy(tsgun);
  expect(workerCode).toBe(0);
  expect(after).toBeLessThan(1500);
  expect(said(tsgun)).toEqual(['app: response out', 'app: SIGTERM 15 true', 'app: closed undefined']);
});

test.for([
  ['exits with 1', 'process.exit(1)', { workerCode: 1 }],
  ['exits with 143', 'process.exit(143)', { workerCode: 143 }],
  ['kills itself', "process.kill(process.pid, 'SIGTERM')", { workerCode: null, signal: 'SIGTERM' }],
] as const)('a listener that %s: a clean leave', async ([, end, expected]) => {
  const tsgun = await serveProgram(`process.once('SIGTERM', () => { console.error('app: SIGTERM'); ${end} });`);
  expect(await stopWhileBusy(tsgun)).toMatchObject(expected);
  expect(said(tsgun)).toEqual(['app: response out', 'app: SIGTERM']);
});

test('a program that listens to SIGINT only', async () => {
  const tsgun = await serveProgram(
    `process.on('SIGINT', (signal) => { console.error('app:', signal); process.exit(); });`,
  );
  await stopWhileBusy(tsgun);
  expect(said(tsgun)).toEqual(['app: response out', 'app: SIGINT']);
});

test('PM2’s shutdown message', async () => {
  const tsgun = await serveProgram(`process.on('message', (message) => {
    console.error('app:', message);
    if (message === 'shutdown') setTimeout(() => process.exit(0), 100);
  });`);
  await stopWhileBusy(tsgun);
  expect(said(tsgun)).toEqual(['app: response out', 'app: shutdown']);
});

test('a listener to messages that are something else delays nothing much', async () => {
  const tsgun = await serveProgram(`process.on('message', () => {});`, ['--graceful-timeout', '20']);
  expect((await stopWhileBusy(tsgun)).after).toBeLessThan(3500);
});

test('removeAllListeners(SIGTERM) does not make the next TERM deadly', async () => {
  const tsgun = await serveProgram(`process.removeAllListeners('SIGTERM'); console.error('app: removed');`);
  const [worker] = tsgun.workers() as [number];
  const visitor = await openKeepAlive(tsgun.address);
  const answer = visitor.request('/?ms=700&say=whole');
  await sleep(50);
  for (let i = 0; i < 3; i++) process.kill(worker, 'SIGTERM');
  expect(await answer).toMatchObject({ body: 'whole' });
  expect(await tsgun.waitFor('exited')).toMatchObject({ pid: worker, code: 0, signal: null });
});

test('a helper that kills the process when its own listeners are the only ones, as signal-exit does', async () => {
  const tsgun = await serveProgram(`const own = () => {
      console.error('app: listeners', process.listeners('SIGTERM').length);
      if (process.listeners('SIGTERM').length !== 1) return;
      process.removeListener('SIGTERM', own);
      process.kill(process.pid, 'SIGTERM');
    };
    process.on('SIGTERM', own);`);
  expect(await stopWhileBusy(tsgun)).toMatchObject({ signal: 'SIGTERM' });
  expect(said(tsgun)).toEqual(['app: response out', 'app: listeners 1']);
});

test('listeners of all kinds run in their order: on, once, prepended', async () => {
  const tsgun = await serveProgram(`
    process.on('SIGTERM', () => console.error('app: on'));
    process.once('SIGTERM', () => { console.error('app: once'); setImmediate(() => process.exit()); });
    process.prependListener('SIGTERM', () => console.error('app: prepended'));`);
  await stopWhileBusy(tsgun);
  expect(said(tsgun)).toEqual(['app: response out', 'app: prepended', 'app: on', 'app: once']);
});

test('a listener that never ends the process: it ends with the graceful timeout', async () => {
  const tsgun = await serveProgram(`process.on('SIGTERM', () => console.error('app: SIGTERM'));`, [
    '--graceful-timeout',
    '1',
  ]);
  const start = performance.now();
  tsgun.signal('SIGTERM');
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeGreaterThan(950);
  expect(ms).toBeLessThan(2500);
  expect(said(tsgun)).toEqual(['app: SIGTERM']);
  expect(tsgun.records('kill')).toEqual([]);
});

test('the graceful timeout is over: its listeners still get a moment', async () => {
  const tsgun = await serveProgram(
    `process.on('SIGTERM', () => setTimeout(() => { console.error('app: saved'); process.exit(); }, 250));`,
    ['--graceful-timeout', '0.5'],
  );
  const visitor = await openKeepAlive(tsgun.address);
  visitor.request('/?ms=20000').catch(() => undefined);
  await sleep(50);
  tsgun.signal('SIGTERM');
  expect((await tsgun.exit).code).toBe(0);
  expect(said(tsgun)).toEqual(['app: saved']);
});

test('a quick stop: its listeners get a moment, responses do not', async () => {
  const tsgun = await serveProgram(
    `process.on('SIGTERM', () => setTimeout(() => { console.error('app: saved'); process.exit(); }, 250));`,
  );
  const visitor = await openKeepAlive(tsgun.address);
  visitor.request('/?ms=20000').catch(() => undefined);
  await sleep(50);
  const start = performance.now();
  tsgun.signal('SIGINT');
  expect((await ended(tsgun, start)).ms).toBeLessThan(1500);
  expect(said(tsgun)).toEqual(['app: saved']);
});

test('the master is killed: a listener to disconnect that exits does not cut responses off', async () => {
  const tsgun = await serveProgram(`process.on('disconnect', () => process.exit(1));`);
  const visitor = await openKeepAlive(tsgun.address);
  const answer = visitor.request('/?ms=700&say=whole');
  await sleep(50);
  tsgun.signal('SIGKILL');
  expect(await answer).toMatchObject({ body: 'whole', headers: { connection: 'close' } });
});

test('the other requests of a drain see what the application has: nothing of it is closed before they are out', async () => {
  const tsgun = await serveProgram(`let database = 'open';
    server.prependListener('request', (req, res) => res.setHeader('database', database));
    process.on('SIGTERM', () => { database = 'closed'; server.close(() => process.exit()); });`);
  const [busy, kept] = await Promise.all([openKeepAlive(tsgun.address), openKeepAlive(tsgun.address)]);
  await kept.request('/');
  const answer = busy.request('/?ms=600');
  await sleep(50);
  await beginDrain(tsgun);
  expect((await kept.request('/')).headers.database).toBe('open');
  expect((await answer).headers.database).toBe('open');
  expect((await tsgun.exit).code).toBe(0);
});

test.for(['SIGINT', 'SIGTERM'] as const)(
  '%s to the whole group: a listener to both signals runs once',
  async (signal) => {
    const tsgun = await serveProgram(`for (const each of ['SIGINT', 'SIGTERM']) process.on(each, (signal) => {
    console.error('app:', signal);
    setTimeout(() => process.exit(0), 200);
  });`);
    tsgun.signalGroup(signal);
    expect((await tsgun.exit).code).toBe(0);
    expect(said(tsgun)).toEqual(['app: SIGTERM']);
  },
);
