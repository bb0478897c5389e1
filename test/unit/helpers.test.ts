import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { get, openKeepAlive, rawRequest } from '../helpers/http.ts';
import { alive, children, listeningPorts, until, waitGone } from '../helpers/proc.ts';
import { ResponseParser } from '../helpers/response-parser.ts';
import type { Tsgun } from '../helpers/running.ts';
import { tempApp } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';

/** A program that is not tsgun, so that the helpers are tested without it. */
function startScript(source: string): Tsgun {
  return startTsgun([], { program: `${tempApp({ 'main.cjs': source })}/main.cjs`, json: false });
}

const idle = 'setInterval(() => {}, 1e9);';

test('records are collected from standard error, and other text is not lost', async () => {
  const script = startScript(`
    console.error(JSON.stringify({ event: 'listening', address: '127.0.0.1:1' }));
    console.error('free text');
    process.stderr.write('{"event":"ser');
    setTimeout(() => process.stderr.write('ving","worker":1,"pid":42}\\n'), 50);
    ${idle}`);
  await script.waitFor('serving');
  expect(script.workers()).toEqual([42]);
  expect(script.address).toBe('127.0.0.1:1');
  expect(script.url('/x')).toBe('http://127.0.0.1:1/x');
  expect((await script.waitFor(/free (\w+)/))[1]).toBe('text');
  await expect(script.waitFor('serving', { count: 2, timeoutMs: 50 })).rejects.toThrow(
    /2 times for serving.*free text/s,
  );
  await expect(script.waitFor('serving', { since: script.mark(), timeoutMs: 50 })).rejects.toThrow('did not come');
  expect(await script.stop()).toEqual({ code: null, signal: 'SIGTERM' });
});

test('waiting ends with the program', async () => {
  const script = startScript('console.error("last words"); process.exitCode = 3;');
  await expect(script.waitFor('ready')).rejects.toThrow(/ended \(exit code 3\).*last words/s);
  expect(await script.exit).toEqual({ code: 3, signal: null });
});

test('cleaning up finds what outlives its master, wherever it hangs in the tree, and ends it', async () => {
  const script = startScript(`
    const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(idle)}], { detached: true, stdio: 'ignore' });
    console.error(JSON.stringify({ event: 'child', pid: child.pid }));
    child.unref();`);
  const { pid } = await script.waitFor('child');
  await script.exit;
  expect(script.family()).toEqual([pid]);
  await expect(script.clean(false, 500)).rejects.toThrow(`the master has exited, but these are left: ${pid}`);
  await waitGone(Number(pid));
});

test('cleaning up complains of a program that cannot be stopped', async () => {
  const script = startScript(`process.on('SIGQUIT', () => {}); console.error('up'); ${idle}`);
  await script.waitFor(/up/);
  await expect(script.clean(false, 500)).rejects.toThrow('did not end within 500 ms');
  await waitGone(script.pid);
});

test('/proc tells the children and the listening ports of a process', async () => {
  const script = startScript(`
    require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(idle)}], { stdio: 'ignore' });
    const server = require('node:net').createServer().listen(0, () => console.error('port ' + server.address().port));`);
  const port = Number((await script.waitFor(/port (\d+)/))[1]);
  expect(listeningPorts(script.pid)).toEqual([port]);
  await until(() => children(script.pid).length === 1, 'one child');
  const [child] = children(script.pid);
  script.killAll();
  await script.exit;
  await waitGone(Number(child));
  expect(alive(script.pid)).toBe(false);
  expect(listeningPorts(script.pid)).toEqual([]);
});

test('the parser takes answers apart at every possible cut', () => {
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nhello',
    'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nab\r\nc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n',
    'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  ].join('');
  for (let cut = 0; cut <= answers.length; cut++) {
    const seen: string[] = [];
    const parser = new ResponseParser(({ status, body, setCookie, keepAlive }) => {
      seen.push([status, JSON.stringify(body), setCookie.join(), keepAlive ? 'keep' : 'close'].join(' '));
    });
    parser.feed(Buffer.from(answers.slice(0, cut)));
    parser.feed(Buffer.from(answers.slice(cut)));
    expect(seen).toEqual([
      '200 "hello" a=1,b=2 keep',
      '204 ""  keep',
      '200 "ab\\r\\nc0123456789abcdef"  keep',
      '200 ""  close',
    ]);
    expect(parser.end()).toBe(true);
  }
});

test('the parser knows a cut answer, a body that ends with the connection, and what is no HTTP', () => {
  const collect = (text: string, method = 'GET') => {
    const seen: string[] = [];
    const parser = new ResponseParser(({ body }) => seen.push(body));
    parser.expect(method);
    parser.feed(Buffer.from(text));
    return { whole: parser.end(), seen };
  };
  expect(collect('HTTP/1.1 200 OK\r\n\r\nabc')).toEqual({ whole: true, seen: ['abc'] });
  expect(collect('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc')).toEqual({ whole: false, seen: [] });
  expect(collect('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')).toEqual({
    whole: false,
    seen: [],
  });
  expect(collect('HTTP/1.1 200')).toEqual({ whole: false, seen: [] });
  expect(collect('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n', 'HEAD')).toEqual({ whole: true, seen: [''] });
  expect(() => collect('SSH-2.0-OpenSSH\r\n\r\n')).toThrow('no HTTP');
});

test('the client gets, keeps connections, pipelines, and waits for the end of a connection', async () => {
  const server = createServer((req, res) => {
    if (req.url === '/last') res.setHeader('Connection', 'close');
    req.on('data', () => {}).on('end', () => res.end(`${req.method} ${req.url}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  expect((await get(`${target}/from/url?q`)).body).toBe('GET /from/url?q');
  const connection = await openKeepAlive(target);
  expect((await connection.request('/one', { method: 'POST', body: 'x' })).body).toBe('POST /one');
  expect((await connection.request('/two', { method: 'HEAD' })).body).toBe('');
  expect(await connection.request('/last')).toMatchObject({ body: 'GET /last', keepAlive: false });
  expect(await connection.closed).toBeUndefined();
  await expect(connection.next()).rejects.toThrow('the connection ended');

  const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const piped = await rawRequest(target, request('/a') + request('/b') + request('/c'), 3);
  expect(piped.answers.map((answer) => answer.body)).toEqual(['GET /a', 'GET /b', 'GET /c']);
});
