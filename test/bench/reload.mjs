// `npm run bench:reload [-- --quick] [--pm2 FOLDER]`: the same kept-alive clients, the same application, a reload every three
// seconds: how many requests are lost by tsgun, and by PM2 beside it. PM2 is installed into a temporary folder, unless the
// folder of one is given. Also what a reload does to latency, how long one takes, and what recycling costs.
import { execFileSync, spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { register } from 'tsx/esm/api';
import { figure, heading, median, note } from './figures.mjs';
import { answered, freePort, node, start, stop, tsgun } from './processes.mjs';

register();
setMaxListeners(0); // each client listens to the end of the load
const { LoadClient } = await import('../helpers/load-client.ts');

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, pm2: { type: 'string' } },
});
const folder = mkdtempSync(join(tmpdir(), 'tsgun-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const SECONDS = values.quick ? 7 : 20;
const EVERY_MS = 3000;

const app = join(folder, 'app.cjs');
writeFileSync(
  app,
  `const http = require('node:http');
const until = Date.now() + 100; while (Date.now() < until);
http.createServer((req, res) => res.end('hello')).listen(Number(process.env.BENCH_PORT), '127.0.0.1');\n`,
);

const clients = (port) => new LoadClient({ target: `127.0.0.1:${port}`, connections: 32, thinkMs: [0, 20] });

/** Runs the clients for so long, with a reload at every beat. */
async function load(port, milliseconds, reload) {
  const running = clients(port);
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    await sleep(Math.min(EVERY_MS, end - performance.now()));
    if (performance.now() < end) await reload?.();
  }
  return running.stop();
}

async function startTsgun(...args) {
  const port = await freePort();
  const env = { BENCH_PORT: String(port), XDG_RUNTIME_DIR: folder };
  const child = start([tsgun, app, '-w', '4', ...args], { env });
  await answered(port, child);
  await sleep(1500);
  return { port, child, hup: () => child.kill('SIGHUP') };
}

function told({ requests, lost, failures }) {
  const kinds = Object.entries(lost).filter(([, count]) => count > 0);
  return `${failures} lost of ${requests}${kinds.length > 0 ? ` (${kinds.map((pair) => pair.join(' ')).join(', ')})` : ''}`;
}

heading(`a reload every 3 s for ${SECONDS} s, 32 kept-alive clients, up to 20 ms between requests (${node})`);
const ours = await startTsgun();
const result = await load(ours.port, SECONDS * 1000, ours.hup);
figure('tsgun -w 4, requests lost', result.failures, 'at most', 0, told(result));

const pm2 = await findPm2();
if (pm2 === undefined) note('PM2', 'could not be installed, and is left out');
else {
  const port = await freePort();
  const env = { ...process.env, PM2_HOME: join(folder, 'pm2'), BENCH_PORT: String(port), NODE_ENV: 'production' };
  const run = (...args) =>
    new Promise((resolve) => spawn(node, [pm2, ...args], { env, stdio: 'ignore' }).once('exit', resolve));
  await run('start', app, '-i', '4');
  await answered(port, { exitCode: null, spawnargs: ['pm2'] });
  await sleep(1500);
  const theirs = await load(port, SECONDS * 1000, () => run('reload', 'all'));
  await run('kill');
  note('PM2, cluster mode, 4 instances', told(theirs));
}

heading('latency of the same clients while workers are replaced, against none replaced');
const p99 = { with: [], without: [] };
for (let round = 0; round < (values.quick ? 2 : 4); round++) {
  p99.without.push((await load(ours.port, 4000)).latency.p99);
  p99.with.push((await load(ours.port, 6500, ours.hup)).latency.p99);
}
const [during, calm] = [median(p99.with), median(p99.without)];
figure('p99 with reloads / without', during / calm, 'at most', 2, `${during.toFixed(1)} / ${calm.toFixed(1)} ms`);

heading('a rollout of 4 workers with an application that loads in 100 ms');
const times = [];
for (let round = 0; round < 5; round++) {
  const begin = performance.now();
  execFileSync(node, [tsgun, 'reload'], { env: { ...process.env, XDG_RUNTIME_DIR: folder }, stdio: 'ignore' });
  times.push((performance.now() - begin) / 1000);
}
figure('seconds until all serve the new generation', median(times), 'at most', 2, '`tsgun reload`, from exec to exit');
await stop(ours.child, 'SIGQUIT');

heading('recycling: requests/s with --max-requests 1000 against none');
const rates = { plain: [], recycled: [] };
for (let round = 0; round < (values.quick ? 2 : 4); round++) {
  for (const side of round % 2 === 0 ? ['plain', 'recycled'] : ['recycled', 'plain']) {
    const one = await startTsgun(
      ...(side === 'plain' ? [] : ['--max-requests', '1000', '--max-requests-jitter', '200']),
    );
    rates[side].push((await load(one.port, 6000)).ok / 6);
    await stop(one.child, 'SIGQUIT');
  }
}
const [recycled, plain] = [median(rates.recycled), median(rates.plain)];
figure(
  'recycled / plain',
  recycled / plain,
  'at least',
  0.9,
  `${recycled.toFixed(0)} / ${plain.toFixed(0)} requests/s`,
);
process.exit();

/** @returns the executable of PM2 */
async function findPm2() {
  const where = values.pm2 ?? folder;
  const file = join(where, 'node_modules/pm2/bin/pm2');
  if (values.pm2 === undefined) {
    const args = ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, 'pm2@7'];
    await new Promise((resolve) => spawn('npm', args, { stdio: 'ignore' }).on('error', resolve).once('exit', resolve));
  }
  return existsSync(file) ? file : undefined;
}
