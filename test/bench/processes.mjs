// Starting, watching and ending the processes that are compared.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The Node binary that is measured, on both sides. */
export const node = process.env.TSGUN_TEST_NODE ?? process.execPath;

export const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
export const tsgun = path('../../bin/tsgun.js');

/** Keeps a program on some cores; util-linux has it. */
const pinner = 'taskset';
const started = new Set();
process.on('exit', () => {
  for (const child of started) kill(child, 'SIGKILL');
});

function kill(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // gone already
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Two sets of cores, for servers and for load; undefined where there is but one core or no taskset. */
export const cores = (() => {
  const count = cpus().length;
  if (count < 2) return undefined;
  try {
    execFileSync(pinner, ['-c', '0', 'true'], { stdio: 'ignore' });
    return { servers: '0', load: count === 2 ? '1' : `1-${count - 1}` };
  } catch {
    return undefined;
  }
})();

/** Where control sockets go. */
const runtime = mkdtempSync(join(tmpdir(), 'tsgun-bench-'));
process.on('exit', () => rmSync(runtime, { recursive: true, force: true }));

/** Starts a program of its own process group with its output thrown away. */
export function start(args, { env = {}, core } = {}) {
  const [file, ...rest] = core === undefined ? [node, ...args] : [pinner, '-c', core, node, ...args];
  const child = spawn(file, rest, {
    env: { ...process.env, NODE_ENV: 'production', XDG_RUNTIME_DIR: runtime, ...env },
    stdio: 'ignore',
    detached: true,
  });
  started.add(child);
  child.ended = new Promise((resolve) => child.once('exit', resolve));
  return child;
}

export async function stop(child, signal = 'SIGKILL') {
  child.kill(signal);
  const timer = setTimeout(() => kill(child, 'SIGKILL'), 5000);
  await child.ended;
  clearTimeout(timer);
  kill(child, 'SIGKILL'); // a cluster's workers, when their primary was killed
  started.delete(child);
}

/** Asks every millisecond until somebody answers; resolves to the time of the first byte of an answer. */
export async function answered(port, child, timeoutMs = 20_000) {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline; ) {
    const time = await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n'));
      socket.on('data', () => {
        resolve(performance.now());
        socket.destroy();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(undefined));
    });
    if (time !== undefined) return time;
    if (child.exitCode !== null)
      throw new Error(`a measured program exited with code ${child.exitCode}: ${child.spawnargs.join(' ')}`);
    await sleep(1);
  }
  throw new Error(`no answer in ${timeoutMs} ms: ${child.spawnargs.join(' ')}`);
}

/** A process that makes load on order: `await load(port, 'kept' | 'fresh', connections, milliseconds)`, one at a time. */
export function loadGenerator() {
  const args = [process.execPath, path('generator.mjs')];
  const [file, ...rest] = cores === undefined ? args : [pinner, '-c', cores.load, ...args];
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const load = async (...order) => {
    child.stdin.write(`${order.join(' ')}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('the load generator died');
    const { requests, seconds, errors } = JSON.parse(value);
    return { requests, rate: requests / seconds, errors };
  };
  return { load, end: () => child.stdin.end() };
}

const read = (file) => readFileSync(file, 'utf8');
const tasks = (pid) => readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`);

/** The process and its descendants. */
export function family(pid) {
  const parents = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = read(`/proc/${name}/stat`);
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // gone
    }
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found;
}

/** CPU time used by these processes so far, in microseconds. */
export function cpuTime(pids) {
  let sum = 0;
  for (const task of pids.flatMap(tasks)) sum += Number(read(`${task}/schedstat`).split(' ')[0]) / 1000;
  return sum;
}

/** How often the process went to sleep of its own will, all threads together: once for every time it was woken. */
export function wakeups(pid) {
  return tasks(pid).reduce(
    (sum, task) => sum + Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(read(`${task}/status`))[1]),
    0,
  );
}

/** Resident memory in kilobytes. */
export function resident(pid) {
  return Number(/^VmRSS:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))[1]);
}
