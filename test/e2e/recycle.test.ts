/** --max-requests: a worker that has answered enough is replaced by one that is ready, and nobody notices. */
import { connect } from 'node:http2';
import { expect, test } from 'vitest';
import { openKeepAlive } from '../helpers/http.ts';
import { LoadClient } from '../helpers/load-client.ts';
import { startProgram } from '../helpers/program.ts';
import type { Tsgun } from '../helpers/tsgun.ts';

const handler = 'module.exports = (req, res) => setTimeout(() => res.end(String(process.pid)), Math.random() * 4);';

const retiring = (tsgun: Tsgun) => tsgun.records('retiring').map(({ worker }) => worker);

test('two workers under kept-alive load: many are replaced, no request is lost', async () => {
  const args = ['-b', '127.0.0.1:0', '-w', '2', '--max-requests', '200', '--max-requests-jitter', '100'];
  const tsgun = await startProgram(handler, args).ready(2);
  const load = new LoadClient({ target: tsgun.address, connections: 12, thinkMs: [1, 4] });
  await tsgun.waitFor('exited', { count: 12, timeoutMs: 60_000 });
  const { lost, failures, ok, examples } = await load.stop();
  expect(failures, `${JSON.stringify(lost)}\n${examples.join('\n')}`).toBe(0);
  expect(ok).toBeGreaterThan(12 * 200);
  const reasons = new Set(tsgun.records('retiring').map(({ reason }) => reason));
  expect([...reasons]).toEqual(['max requests']);
  expect(tsgun.records('drain').every(({ reason }) => reason === 'max requests')).toBe(true);
  expect(tsgun.records('exited').every(({ level, code }) => level === 'info' && code === 0)).toBe(true);
  // Each says so once, whatever it is asked afterwards.
  expect(new Set(retiring(tsgun)).size).toBe(retiring(tsgun).length);
});

test('it serves on until its replacement does', async () => {
  const program = `const handler = (req, res) => res.end(String(process.pid));
    module.exports = new Promise((loaded) => {
      if (require('node:cluster').worker.id === 1) return loaded(handler);
      const loading = setInterval(() => {}, 1000);
      process.once('SIGUSR1', () => { clearInterval(loading); loaded(handler); });
      say('loading');
    });`;
  const tsgun = await startProgram(program, ['-b', '127.0.0.1:0', '--max-requests', '3']).ready();
  const [first] = tsgun.workers();
  const visitor = await openKeepAlive(tsgun.address);
  for (let index = 1; index <= 3; index++) expect((await visitor.request('/')).body).toBe(String(first));
  await tsgun.waitFor(/app: \["loading"\]/);
  for (let index = 1; index <= 9; index++) {
    expect(await visitor.request('/')).toMatchObject({ body: String(first), headers: { connection: 'keep-alive' } });
  }
  const { pid } = tsgun.records('spawn')[1]!;
  process.kill(pid as number, 'SIGUSR1');
  await tsgun.waitFor('drain');
  expect(tsgun.workers()).toEqual([pid]);
  expect(retiring(tsgun)).toEqual([1]);
});

test('the jitter is drawn by each worker', async () => {
  const args = ['-b', '127.0.0.1:0', '--max-requests', '5', '--max-requests-jitter', '1000', '--drain-linger', '0'];
  const program = 'module.exports = (req, res) => res.end(String(process.pid));';
  const answered: number[] = [];
  for (let round = 0; round < 3; round++) {
    const tsgun = await startProgram(program, args).ready();
    const visitor = await openKeepAlive(tsgun.address);
    let count = 0;
    // The replacement is told of after the last request that counted: those in between are counted, too.
    while (tsgun.records('retiring').length === 0) {
      await visitor.request('/');
      count++;
    }
    answered.push(count);
    await tsgun.stop();
  }
  expect(Math.min(...answered)).toBeGreaterThanOrEqual(5);
  expect(Math.max(...answered)).toBeLessThan(1200);
  expect(new Set(answered).size).toBeGreaterThan(1);
});

test('what --verify asks does not count; without a limit nothing does', async () => {
  const program = 'module.exports = (req, res) => res.end(String(process.pid));';
  const args = ['-b', '127.0.0.1:0', '--verify', '/', '--max-requests', '1', '--drain-linger', '0'];
  const tsgun = await startProgram(program, args).ready();
  expect(retiring(tsgun)).toEqual([]);
  await tsgun.get('/');
  await tsgun.waitFor('retiring');
  const unlimited = await startProgram(program, [
    '-b',
    '127.0.0.1:0',
    '--max-requests-jitter',
    '1',
    '--drain-linger',
    '0',
  ]).ready();
  const visitor = await openKeepAlive(unlimited.address);
  for (let index = 0; index < 20; index++) await visitor.request('/');
  await unlimited.stop();
  expect(retiring(unlimited)).toEqual([]);
});

test('the streams of HTTP/2 count', async () => {
  const program = "require('node:http2').createServer((req, res) => res.end(String(process.pid))).listen(3000);";
  const tsgun = await startProgram(program, ['-b', '127.0.0.1:0', '--max-requests', '4']).ready();
  const session = connect(tsgun.url());
  for (let index = 1; index <= 4; index++) {
    expect(retiring(tsgun)).toEqual([]);
    await session.request({ ':path': '/' }).resume().toArray();
  }
  await tsgun.waitFor('retiring');
  session.close();
});
