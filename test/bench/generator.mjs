// Load on a port, as ordered by lines on standard input: `PORT kept|fresh CONNECTIONS MILLISECONDS`; each is answered by a line
// {requests, seconds, errors}. One request at a time on each connection. As cheap as a client in Node can be: an answer is
// known by its length, which is that of the first one. One process for all orders, so that it is compiled once.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const texts = {
  kept: Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\n\r\n'),
  fresh: Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n'),
};

/** The length of a complete answer, or 0. */
function lengthOf(data) {
  const text = data.toString('latin1');
  const body = text.indexOf('\r\n\r\n') + 4;
  const length = /^content-length: (\d+)/im.exec(text);
  if (body < 4 || length === null || !text.startsWith('HTTP/1.1 200')) throw new Error(`not a plain answer: ${text}`);
  return body + Number(length[1]);
}

/** What has arrived is only counted, and looked at once: one buffer serves all connections. */
const buffer = Buffer.allocUnsafe(65536);

function visit(run) {
  if (run.over) return;
  let received = 0;
  const socket = connect({
    host: '127.0.0.1',
    port: run.port,
    noDelay: run.kept,
    onread: {
      buffer,
      callback: (length) => {
        run.answerLength ||= lengthOf(buffer.subarray(0, length));
        received += length;
        if (received < run.answerLength) return true;
        received -= run.answerLength;
        if (run.over) return true;
        run.requests++;
        if (run.kept) socket.write(run.text);
        return true;
      },
    },
  });
  run.sockets.add(socket);
  socket.on('connect', () => socket.write(run.text));
  socket.on('error', () => {
    if (!run.over) run.errors++;
  });
  socket.on('close', () => {
    run.sockets.delete(socket);
    if (received !== 0 && !run.over) run.errors++;
    visit(run);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [port, mode, connections, milliseconds] = line.split(' ');
  const run = {
    port: Number(port),
    kept: mode === 'kept',
    text: texts[mode],
    answerLength: 0,
    requests: 0,
    errors: 0,
    over: false,
    sockets: new Set(),
  };
  const start = performance.now();
  for (let i = 0; i < Number(connections); i++) visit(run);
  await sleep(Number(milliseconds));
  run.over = true;
  const result = { requests: run.requests, seconds: (performance.now() - start) / 1000, errors: run.errors };
  for (const socket of run.sockets) socket.destroy();
  await sleep(20); // the server sees them go before the next order
  console.log(JSON.stringify(result));
}
