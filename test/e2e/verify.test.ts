/** --verify: a canary answers the path that was named, asked from inside, before anybody else is let in. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { drainApps } from '../helpers/drain.ts';
import { openKeepAlive } from '../helpers/http.ts';
import { until } from '../helpers/proc.ts';
import { said, startProgram } from '../helpers/program.ts';
import { needs } from '../helpers/requires.ts';
import { tempDir } from '../helpers/temp.ts';
import { startTsgun, type Tsgun } from '../helpers/tsgun.ts';

const bind = ['-b', '127.0.0.1:0'];

/** Says how it was asked, and answers /health with `answer`, a piece of source; anything else with its pid. */
const healthy = (answer: string) => `http.createServer((req, res) => {
  say(req.method, req.url, req.headers.host, req.headers['user-agent'], req.headers.connection);
  if (req.url.startsWith('/health')) { ${answer} } else res.end(String(process.pid));
}).listen(3000);`;

const asked = ['GET', '/health?deep=1', 'localhost', 'tsgun-verify', 'close'];

async function failedStart(tsgun: Tsgun) {
  expect((await tsgun.exit).code).toBe(3);
  expect(tsgun.records('spawn')).toHaveLength(1);
  expect(tsgun.records('serving')).toEqual([]);
  return tsgun.records('failed')[0]?.cause;
}

test.for([
  ['200', "res.end('fine')"],
  ['302', "res.writeHead(302, { Location: '/' }).end()"],
])('%s: it is asked once, and only the first worker is', async ([, answer]) => {
  const tsgun = await startProgram(healthy(answer as string), [...bind, '-w', '2', '--verify', '/health?deep=1']).ready(
    2,
  );
  expect(said(tsgun)).toEqual([asked]);
  expect((await tsgun.get('/')).status).toBe(200);
});

test('the bound socket is shut meanwhile: who connects waits, and is then answered', async () => {
  const program = healthy("say('waits'); process.once('SIGUSR1', () => res.end('fine'));");
  const tsgun = startProgram(program, [...bind, '--verify', '/health']);
  await tsgun.waitFor(/app: \["waits"\]/);
  const visitor = await openKeepAlive(tsgun.address);
  const answer = visitor.request('/');
  // Time enough for a worker that accepts to do so.
  await expect(visitor.next(300)).rejects.toThrow('300 ms went by');
  expect(said(tsgun)).toHaveLength(2);
  const [worker] = tsgun.family().filter((pid) => pid !== tsgun.pid);
  process.kill(worker as number, 'SIGUSR1');
  await until(() => visitor.answers.length === 1, 'an answer');
  expect(visitor.answers[0]?.body).toBe(String(worker));
  await answer.catch(() => {});
});

test('500: the start ends with 3, and the log has what it answered', async () => {
  const tsgun = startProgram(healthy("res.writeHead(500).end('no database' + '.'.repeat(5000))"), [
    ...bind,
    '--verify',
    '/health',
  ]);
  expect(await failedStart(tsgun)).toBe('GET /health answered 500 (asked by --verify)');
  expect(tsgun.records('stack')[0]?.stack).toBe(`no database${'.'.repeat(989)}`);
});

test.for([
  ['never', 'say(1)', /^GET \/health was not answered within [0-9.]+ s, before --boot-timeout \(asked by --verify\)$/],
  ['half', "res.write('half')", /^GET \/health was not answered within/],
  ['not at all', 'req.socket.destroy()', /^GET \/health was not answered: socket hang up \(asked/],
  ['with half a body', "res.write('half', () => req.socket.destroy())", /^GET \/health was not answered: aborted \(/],
  ['with an exception', "throw new Error('no database')", /app.js failed before it answered: Error: no database$/],
] as const)('answered %s: the start ends with 3 and a reason', async ([, answer, cause]) => {
  const tsgun = startProgram(healthy(answer), [...bind, '--verify', '/health', '--boot-timeout', '2']);
  expect(await failedStart(tsgun)).toMatch(cause);
  expect(tsgun.records('kill')).toEqual([]);
});

test.for([
  ['a server that speaks no HTTP', 'net.createServer().listen(3000)', [], 'the main server does not speak HTTP'],
  [
    'nobody',
    "setInterval(() => {}, 1000); process.send('ready')",
    ['--ready', 'message'],
    'the application does not listen',
  ],
] as const)('%s cannot be asked', async ([, program, args, why]) => {
  const tsgun = startProgram(program, [...bind, '--verify', '/health', ...args]);
  expect(await failedStart(tsgun)).toBe(`GET /health cannot be asked: ${why} (asked by --verify)`);
});

test('h2c is asked over HTTP/2', async () => {
  const program = `require('node:http2').createServer((req, res) => {
    say(req.httpVersion, req.method, req.url, req.authority, req.headers['user-agent']);
    res.writeHead(process.env.STATUS).end('it says');
  }).listen(3000);`;
  const args = [...bind, '--verify', '/health'];
  const good = await startProgram(program, args, { env: { STATUS: '204' } }).ready();
  expect(said(good)).toEqual([['2.0', 'GET', '/health', 'localhost', 'tsgun-verify']]);
  const bad = startProgram(program, args, { env: { STATUS: '503' } });
  expect(await failedStart(bad)).toBe('GET /health answered 503 (asked by --verify)');
  expect(bad.records('stack')[0]?.stack).toBe('it says');
});

test.for(['https', 'http2'])('%s with a certificate that nobody knows', async (protocol, context) => {
  const [openssl] = needs(context, 'openssl') as [string];
  const dir = tempDir();
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const subject = ['-subj', '/CN=shop.test', '-days', '2', '-nodes', '-keyout', key, '-out', cert];
  execFileSync(openssl, ['req', '-x509', '-newkey', 'rsa:2048', ...subject], { stdio: 'ignore' });
  const program = `const read = (path) => require('node:fs').readFileSync(path);
    const { createServer, createSecureServer } = require('node:${protocol}');
    (createSecureServer ?? createServer)({ key: read(process.env.KEY), cert: read(process.env.CERT) }, (req, res) => {
      say(req.httpVersion, req.url);
      res.end('fine');
    }).listen(3000);`;
  const tsgun = await startProgram(program, [...bind, '--verify', '/health'], {
    env: { KEY: key, CERT: cert },
  }).ready();
  expect(said(tsgun)).toEqual([[protocol === 'https' ? '1.1' : '2.0', '/health']]);
});

test('a handler, and one on a unix socket', async () => {
  for (const address of ['127.0.0.1:0', `unix:${tempDir()}/s`]) {
    const tsgun = await startTsgun(['routes.cjs', '-b', address, '--verify', '/?say=fine'], { cwd: drainApps }).ready();
    expect((await tsgun.get('/?say=hello')).body).toBe('hello');
  }
});

test.for(['health', '/a b', ''])('--verify %j is refused', async (path) => {
  const tsgun = startProgram('', ['--verify', path], { json: false });
  expect((await tsgun.exit).code).toBe(2);
  expect(tsgun.stderr()).toContain('expected a path that begins with "/"');
});
