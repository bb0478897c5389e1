/** Connections that are more than a row of requests: upgraded ones, HTTP/2, TLS, and protocols of their own. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connect2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { beginDrain, ended, limits, serve } from '../helpers/drain.ts';
import { openKeepAlive } from '../helpers/http.ts';
import { needs } from '../helpers/requires.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';

const upgrade = (path: string) => `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`;

/** Upgrades a connection; what is said there afterwards is in `received` only. */
async function upgraded(address: string, path: string) {
  const visitor = await openKeepAlive(address);
  visitor.socket.removeAllListeners('data');
  visitor.socket.on('data', (data) => {
    visitor.received += data.toString();
  });
  visitor.write(upgrade(path));
  const saw = async (text: string) => {
    while (!visitor.received.endsWith(text)) await once(visitor.socket, 'data');
  };
  await saw('\r\n\r\n');
  return { visitor, saw };
}

test('an upgraded socket lives on during the drain, is told by tsgun:drain, and its end ends the worker', async () => {
  const tsgun = await serve('upgrade.cjs', ['--graceful-timeout', '20']);
  const { visitor, saw } = await upgraded(tsgun.address, '/polite');
  visitor.write('before');
  await saw('before');
  await beginDrain(tsgun);
  await saw('bye');
  visitor.write('still there?');
  await saw('still there?');
  expect(visitor.ended).toBe(false);
  const start = performance.now();
  visitor.socket.end();
  await visitor.closed;
  expect(visitor.received).toMatch(/half-closed$/);
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(1000);
});

test('an upgraded socket that does not go is half-closed at the end of --graceful-timeout', async () => {
  const tsgun = await serve('upgrade.cjs', ['--graceful-timeout', '1']);
  const { visitor, saw } = await upgraded(tsgun.address, '/rude');
  const start = performance.now();
  let halfClosedAfter = 0;
  visitor.socket.once('end', () => {
    halfClosedAfter = performance.now() - start;
  });
  await beginDrain(tsgun);
  visitor.write('still there?');
  await saw('still there?');
  expect(await visitor.closed).toBeUndefined(); // no reset
  expect(halfClosedAfter).toBeGreaterThan(900);
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(2500);
  expect(tsgun.records('kill')).toEqual([]);
});

test('ws: its clients get the close frame that the application sends on tsgun:drain', async () => {
  const tsgun = await serve('ws.cjs', ['--graceful-timeout', '20']);
  const socket = new WebSocket(tsgun.url().replace('http', 'ws'));
  await once(socket, 'open');
  const busy = await openKeepAlive(tsgun.address);
  const answer = busy.request('/?ms=500&say=whole');
  socket.send('hello');
  expect(String((await once(socket, 'message'))[0])).toBe('echo hello');
  const start = performance.now();
  tsgun.signal('SIGTERM');
  const [code, reason] = await once(socket, 'close');
  expect([code, String(reason)]).toEqual([1001, 'the worker leaves']);
  expect((await answer).body).toBe('whole');
  expect((await ended(tsgun, start)).ms).toBeLessThan(2000);
});

test('server-sent events: the application ends them on tsgun:drain, and what it has sent until then arrives', async () => {
  const app = `const streams = new Set();
    process.on('tsgun:drain', () => { for (const stream of streams) stream.end('event: bye\\ndata: come back\\n\\n'); });
    module.exports = (req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\\n\\n');
      streams.add(res);
    };`;
  const args = ['app.js', '-b', '127.0.0.1:0', '--drain-linger', '0.4', '--graceful-timeout', '20'];
  const tsgun = await startTsgun(args, { cwd: tempApp(app) }).ready();
  const visitors = await Promise.all([1, 2, 3].map(() => openKeepAlive(tsgun.address)));
  const streams = visitors.map((visitor) => visitor.request('/events'));
  await Promise.all(visitors.map((visitor) => visitor.until(() => visitor.received.includes('hello'), 'hello')));
  const start = performance.now();
  tsgun.signal('SIGTERM');
  for (const { body } of await Promise.all(streams)) {
    expect(body).toBe('data: hello\n\nevent: bye\ndata: come back\n\n');
  }
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(2500);
});

test('h2c: streams under way finish, the session says goodbye', async () => {
  const tsgun = await serve('http2.cjs');
  const session = connect2(tsgun.url());
  let goaway = false;
  session.on('goaway', () => {
    goaway = true;
  });
  const streams = ['/?ms=500', '/?ms=900'].map((path) => session.request({ ':path': path }).setEncoding('utf8'));
  const bodies = streams.map((stream) => stream.toArray().then((chunks) => chunks.join('')));
  await Promise.all(streams.map((stream) => once(stream, 'response')));
  const start = performance.now();
  tsgun.signal('SIGTERM');
  expect(await Promise.all(bodies)).toEqual(['begun done', 'begun done']);
  expect(goaway).toBe(true);
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(2500);
});

test('h2c: a client that keeps asking loses no stream; those that come too late are refused, which it may repeat', async () => {
  const tsgun = await serve('http2.cjs');
  const results = { ok: 0, refused: 0, lost: 0 };
  let stopping = false;
  const visitor = async () => {
    while (!stopping) {
      const session = connect2(tsgun.url());
      session.on('error', () => {});
      await once(session, 'connect').catch(() => undefined);
      while (!session.closed && !session.destroyed && !stopping) {
        try {
          const chunks = await session.request({ ':path': '/' }).setEncoding('utf8').toArray();
          if (chunks.join('') === 'begun done') results.ok++;
          else results.lost++;
        } catch (error) {
          if (String(error).includes('NGHTTP2_REFUSED_STREAM')) results.refused++;
          else results.lost++;
        }
      }
      session.close();
      if (tsgun.records('stop').length > 0) return;
    }
  };
  const visitors = Array.from({ length: 8 }, visitor);
  await sleep(200);
  tsgun.signal('SIGTERM');
  expect((await tsgun.exit).code).toBe(0);
  stopping = true;
  await Promise.all(visitors);
  expect(results.ok).toBeGreaterThan(20);
  expect(results.lost).toBe(0);
});

test('h2c: an idle session is closed', async () => {
  const tsgun = await serve('http2.cjs', ['--graceful-timeout', '20']);
  const session = connect2(tsgun.url());
  await once(session, 'connect');
  await session.request({ ':path': '/' }).resume().toArray();
  const start = performance.now();
  tsgun.signal('SIGTERM');
  await once(session, 'close');
  expect((await ended(tsgun, start)).ms).toBeLessThan(2000);
});

test('https in an unmodified program: answered with close; idle and unused connections are closed', async (context) => {
  const [openssl] = needs(context, 'openssl') as [string];
  const dir = tempDir();
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-days', '2', '-nodes', '-keyout', key, '-out', cert];
  execFileSync(openssl, ['req', '-x509', '-newkey', 'rsa:2048', ...subject], { stdio: 'ignore' });
  const tsgun = await serve('https.cjs', ['--graceful-timeout', '20'], { TEST_KEY: key, TEST_CERT: cert });
  const port = Number(tsgun.address.split(':')[1]);
  const agent = new Agent({ keepAlive: true, maxSockets: 2, rejectUnauthorized: false });
  const ask = async (path: string) => {
    const [response] = await once(request({ host: '127.0.0.1', port, path, agent }).end(), 'response');
    return { connection: response.headers.connection, body: (await response.setEncoding('utf8').toArray()).join('') };
  };
  const unused = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(unused, 'secureConnect');
  const unusedClosed = once(unused.resume(), 'close');
  expect((await Promise.all([ask('/?ms=50'), ask('/?ms=50')])).map(({ connection }) => connection)).toEqual(
    Array(2).fill('keep-alive'),
  );
  const slow = ask('/?ms=700&say=slow');
  await sleep(100);
  const start = performance.now();
  await beginDrain(tsgun);
  expect(await ask('/?say=during')).toEqual({ connection: 'close', body: 'during' });
  expect(await slow).toEqual({ connection: 'close', body: 'slow' });
  await unusedClosed;
  const { code, ms } = await ended(tsgun, start);
  expect(code).toBe(0);
  expect(ms).toBeLessThan(2500);
});

test('a server that speaks no HTTP: its connections have until --graceful-timeout to end by themselves', async () => {
  const app = `const sockets = new Set();
    process.on('tsgun:drain', () => { for (const socket of sockets) socket.write('last orders\\n'); });
    require('node:net').createServer((socket) => {
      sockets.add(socket);
      socket.on('data', (data) => socket.write(data)).on('error', () => {});
    }).listen(3000);`;
  const tsgun = await startTsgun(['app.js', '-b', '127.0.0.1:0', ...limits], { cwd: tempApp(app) }).ready();
  const visitor = await openKeepAlive(tsgun.address);
  visitor.socket.removeAllListeners('data');
  let received = '';
  visitor.socket.on('data', (data) => {
    received += data.toString();
  });
  visitor.write('one ');
  await once(visitor.socket, 'data');
  await beginDrain(tsgun);
  visitor.write('two');
  await sleep(1300);
  expect(received).toBe('one last orders\ntwo');
  expect(visitor.ended).toBe(false);
  const start = performance.now();
  visitor.socket.end();
  expect((await ended(tsgun, start)).ms).toBeLessThan(700);
});
