/** A program that calls listen() itself is served without a changed line, and sees what it would see in bare Node. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { get, openKeepAlive } from '../helpers/http.ts';
import { portListens, until } from '../helpers/proc.ts';
import { freePort, runBare, said, startProgram } from '../helpers/program.ts';
import { tempDir } from '../helpers/temp.ts';
import type { Tsgun } from '../helpers/tsgun.ts';

/** Who accepts is a matter of luck: asks until all workers of the program have answered there. */
async function allAnswer(tsgun: Tsgun, address: string, text: string): Promise<void> {
  const silent = new Set(tsgun.workers());
  expect(silent.size).toBe(2);
  for (const deadline = Date.now() + 10_000; silent.size > 0; ) {
    expect(Date.now(), `workers that never answered at ${address}: ${[...silent]}`).toBeLessThan(deadline);
    const visitors = await Promise.all(Array.from({ length: 10 }, () => openKeepAlive(address)));
    for (const answer of await Promise.all(visitors.map((visitor) => visitor.request('/')))) {
      const [said, pid] = answer.body.split(' ');
      expect(said).toBe(text);
      silent.delete(Number(pid));
    }
    for (const visitor of visitors) visitor.destroy();
  }
}

const started = async (tsgun: Tsgun, workers = 2) => tsgun.ready(workers);

const observed = (listen: string) => `
  const server = http.createServer(answer('main'));
  server.on('listening', () => say('listening', server.listening, server.address()));
  server.listen(${listen}, () => say('callback', server.address()));
  say('at once', server.listening, server.address());`;

test.for(['PORT', "PORT, '127.0.0.1'", "{ port: PORT, host: '::1' }"])(
  'listen(%s) without a bind: the address, the event and the callback are those of bare Node',
  async (listen) => {
    const port = await freePort();
    const source = observed(listen.replace('PORT', String(port)));
    const bare = runBare(source);
    expect(bare).toHaveLength(3);
    const tsgun = await started(startProgram(source, ['-w', '2']));
    await until(() => said(tsgun).length === 6, 'six lines');
    expect(said(tsgun)).toEqual([...bare, ...bare]);
    expect(tsgun.addresses()).toHaveLength(1);
    await allAnswer(tsgun, tsgun.address, 'main');
    expect((await tsgun.stop()).code).toBe(0);
    expect(portListens(port)).toBe(false);
  },
);

test('with a bind: the program sees the address that it got, at once', async () => {
  const asked = await freePort();
  const tsgun = await started(startProgram(observed(String(asked)), ['-b', '127.0.0.1:0']), 1);
  const port = Number(tsgun.address.split(':')[1]);
  const address = { address: '127.0.0.1', family: 'IPv4', port };
  expect(port).not.toBe(asked);
  await until(() => said(tsgun).length === 3, 'three lines');
  expect(said(tsgun)).toEqual([
    ['at once', true, address],
    ['listening', true, address],
    ['callback', address],
  ]);
  expect(portListens(asked)).toBe(false);
  expect((await tsgun.get()).body).toMatch(/^main /);
});

test.for(['PORT', "PORT, '127.0.0.1'", 'PATH'])(
  'listen(%s): a program may connect to itself as soon as it hears that it listens',
  async (listen) => {
    const port = await freePort();
    const path = JSON.stringify(join(tempDir(), 'a.sock'));
    const source = `
      http.createServer(answer('main')).listen(${listen.replace('PORT', String(port)).replace('PATH', path)}, () => {
        http.get(${listen === 'PATH' ? `{ socketPath: ${path} }` : `'http://127.0.0.1:${port}'`}, (response) => {
          response.resume();
          say(response.statusCode);
        });
      });`;
    const tsgun = await started(startProgram(source, ['-w', '2']));
    await until(() => said(tsgun).length === 2, 'two answers');
    expect(said(tsgun)).toEqual([[200], [200]]);
    expect(tsgun.records('exited')).toEqual([]);
  },
);

test('a second listen(), such as a metrics port, works in all workers, with a bind and without', async () => {
  for (const args of [[], ['-b', '127.0.0.1:0']]) {
    const [main, metrics] = [await freePort(), await freePort()];
    const tsgun = await started(
      startProgram(
        `http.createServer(answer('main')).listen(${main}, '127.0.0.1');
         http.createServer(answer('metrics')).listen(${metrics}, '127.0.0.1');`,
        ['-w', '2', ...args],
      ),
    );
    await allAnswer(tsgun, `127.0.0.1:${metrics}`, 'metrics');
    await allAnswer(tsgun, tsgun.address, 'main');
    expect((await tsgun.stop()).code).toBe(0);
    expect(portListens(metrics)).toBe(false);
  }
});

test('a second listen() long after the start works too, in all workers', async () => {
  const [main, late] = [await freePort(), await freePort()];
  const tsgun = startProgram(
    `http.createServer(answer('main')).listen(${main}, '127.0.0.1');
     setTimeout(() => http.createServer(answer('late')).listen(${late}, '127.0.0.1', () => say('late')), 500);`,
    ['-w', '2'],
  );
  await started(tsgun);
  await until(() => said(tsgun).length === 2, 'two late listens');
  await allAnswer(tsgun, `127.0.0.1:${late}`, 'late');
});

test('listen(0) twice gives two ports, which the workers share', async () => {
  const tsgun = await started(
    startProgram(
      `const one = http.createServer(answer('one')).listen(0);
       const two = http.createServer(answer('two')).listen(0);
       say(one.address().port, two.address().port);`,
      ['-w', '2'],
    ),
  );
  const [first, second] = said(tsgun) as [[number, number], [number, number]];
  expect(second).toEqual(first);
  expect(first[0]).not.toBe(first[1]);
  await allAnswer(tsgun, `127.0.0.1:${first[0]}`, 'one');
  await allAnswer(tsgun, `127.0.0.1:${first[1]}`, 'two');
});

const sayError = `({ message, ...rest }) => say(message, rest)`;

test('the same port twice in one program: the error of bare Node', async () => {
  const port = await freePort();
  const source = `const first = http.createServer(answer('first')).listen(${port}, '127.0.0.1');
    const second = http.createServer(answer('second')).on('error', ${sayError}).listen(${port}, '127.0.0.1');
    setTimeout(() => say(first.listening, second.listening, second.address()), 100);`;
  const bare = runBare(source);
  expect(bare).toHaveLength(2);
  const tsgun = await started(startProgram(source, ['-w', '2']));
  await until(() => said(tsgun).length === 4, 'four lines');
  expect(
    said(tsgun)
      .map((line) => JSON.stringify(line))
      .sort(),
  ).toEqual([...bare, ...bare].map((line) => JSON.stringify(line)).sort());
  await allAnswer(tsgun, tsgun.address, 'first');
});

test.for(['PORT', "PORT, '127.0.0.1'"])(
  'listen(%s) on a port of somebody else: the error of bare Node',
  async (listen) => {
    const other = createServer().listen(0);
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const source = `http.createServer(answer('main')).listen(0, '127.0.0.1');
    http.createServer().on('error', ${sayError}).listen(${listen.replace('PORT', String(port))});`;
    const bare = runBare(source);
    expect(bare).toHaveLength(1);
    const tsgun = await started(startProgram(source), 1);
    await until(() => said(tsgun).length === 1, 'the error');
    expect(said(tsgun)).toEqual(bare);
    other.close();
  },
);

test.for(['exclusive: true', 'reusePort: true'])('listen({ %s }) is shared by the workers', async (option) => {
  const port = await freePort();
  const tsgun = await started(
    startProgram(
      `const options = Object.freeze({ port: ${port}, host: '127.0.0.1', ${option} });
       http.createServer(answer('main')).listen(options);`,
      ['-w', '2'],
    ),
  );
  await allAnswer(tsgun, tsgun.address, 'main');
});

test('listen({ fd }) of a descriptor that is no socket: the error of bare Node, and no random port', async () => {
  const source = `http.createServer(answer('main')).listen(0, '127.0.0.1');
    http.createServer().on('error', ${sayError}).listen({ fd: 3 });`;
  const tsgun = await started(startProgram(source), 1);
  await until(() => said(tsgun).length === 1, 'the error');
  expect(said(tsgun)).toEqual(runBare(source));
  expect(tsgun.addresses()).toHaveLength(1);
});

test('UDP: dgram sockets work in workers', async () => {
  const tsgun = await started(
    startProgram(
      `http.createServer(answer('main')).listen(0, '127.0.0.1');
       const udp = require('node:dgram').createSocket('udp4');
       udp.on('message', (message, from) => udp.send('echo ' + message, from.port, from.address));
       udp.bind(0, '127.0.0.1', () => {
         const client = require('node:dgram').createSocket('udp4');
         client.on('message', (message) => { say(String(message)); client.close(); });
         client.bind({ exclusive: true }, () => client.send('hello', udp.address().port, '127.0.0.1'));
       });`,
    ),
    1,
  );
  await until(() => said(tsgun).length === 1, 'the echo');
  expect(said(tsgun)).toEqual([['echo hello']]);
});

test('a search for a free port (listen(0), close, listen on that port) finds one, and again after a close', async () => {
  const tsgun = await started(
    startProgram(
      `const probe = net.createServer().listen(0, '127.0.0.1', () => {
         const { port } = probe.address();
         probe.close(() => {
           const server = http.createServer(answer('main')).listen(port, '127.0.0.1', () => say(port));
           server.once('listening', () => setTimeout(again, 300, server, port));
         });
       });
       function again(server, port) {
         server.close(() => server.listen(port, '127.0.0.1', () => say('again', port)));
         server.closeAllConnections();
       }`,
      ['-w', '2'],
    ),
  );
  await until(() => said(tsgun).length === 4, 'four lines');
  const ports = said(tsgun).map((line) => line.at(-1));
  await sleep(100); // a message that is late must not close it
  for (const port of new Set(ports)) expect((await get(`127.0.0.1:${port}`)).status).toBe(200);
});

test('many searches for a free port: every port that was found is served, those given up are free', async () => {
  const tsgun = startProgram(
    `const { once } = require('node:events');
     http.createServer(answer('main')).listen(0, '127.0.0.1', async () => {
       for (let i = 0; i < 50; i++) {
         const probe = net.createServer().listen(0, '127.0.0.1');
         await once(probe, 'listening');
         const { port } = probe.address();
         await once(probe.close(), 'close');
         const server = http.createServer(answer('found')).listen(port, '127.0.0.1');
         await once(server, 'listening');
         if (i % 2) await once(server.close(), 'close');
         say(i % 2 ? 'free' : 'found', port, server.address()?.port);
       }
       say('done');
     });`,
  );
  await started(tsgun, 1);
  await until(() => said(tsgun).at(-1)?.[0] === 'done', 'the end of it');
  const ports = (what: string) => said(tsgun).flatMap(([word, port]) => (word === what ? [Number(port)] : []));
  const found = ports('found');
  expect(said(tsgun).flatMap(([word, , bound]) => (word === 'found' ? [bound] : []))).toEqual(found);
  expect(new Set(found).size).toBe(25);
  for (const port of found) expect((await get(`127.0.0.1:${port}`)).body).toMatch(/^found /);
  for (const port of ports('free')) expect(found.includes(port) || !portListens(port)).toBe(true);
});
