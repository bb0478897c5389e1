// What tsgun costs while nothing happens: memory of the master against a bare Node process, and wakeups.
import { setTimeout as sleep } from 'node:timers/promises';
import { figure, heading, median, note } from './figures.mjs';
import { answered, family, freePort, path, resident, start, stop, tsgun, wakeups } from './processes.mjs';

export default async function idle({ quick }) {
  heading('idle, 1 worker');
  const memory = { tsgun: [], node: [] };
  const rounds = quick ? 2 : 5;
  for (let round = 1; round <= rounds; round++) {
    const port = await freePort();
    const bare = start(['-e', 'setInterval(() => {}, 1e9)']);
    const child = start([tsgun, path('apps/hello.cjs'), '-b', `127.0.0.1:${port}`]);
    await answered(port, child);
    await sleep(2000);
    memory.tsgun.push(resident(child.pid));
    memory.node.push(resident(bare.pid));
    if (round === rounds) await wake(child, bare, quick ? 5 : 10);
    await stop(child, 'SIGQUIT');
    await stop(bare);
  }
  const [mine, theirs] = [median(memory.tsgun), median(memory.node)];
  const megabytes = (kb) => (kb / 1024).toFixed(1);
  figure(
    'memory (RSS), master / bare node',
    mine / theirs,
    'at most',
    1.45,
    `${megabytes(mine)} / ${megabytes(theirs)} MB`,
  );
}

/** V8 cleans up once, some ten seconds after the last work: that is no wakeup of an idle process. */
const SETTLE_MS = 20_000;

async function wake(child, bare, seconds) {
  await sleep(SETTLE_MS);
  const pids = [...family(child.pid), bare.pid];
  const before = pids.map(wakeups);
  await sleep(seconds * 1000);
  const [master, worker, none] = pids.map((pid, index) => (wakeups(pid) - before[index]) / seconds);
  figure(
    'wakeups/s, master and worker',
    master + worker,
    'at most',
    3.5,
    `${master.toFixed(1)} + ${worker.toFixed(1)}`,
  );
  note('  a bare node process', none.toFixed(1).padStart(6));
}
