// From exec to the first answered request: `tsgun app.js -b 127.0.0.1:PORT` against `node app.js`, in turn.
import { figure, heading, median, note } from './figures.mjs';
import { answered, freePort, node, path, start, stop, tsgun } from './processes.mjs';

async function once(side, app) {
  const port = await freePort();
  const begin = performance.now();
  const child =
    side === 'tsgun'
      ? start([tsgun, app, '-b', `127.0.0.1:${port}`])
      : start([app], { env: { BENCH_PORT: String(port) } });
  const time = (await answered(port, child)) - begin;
  await stop(child, side === 'tsgun' ? 'SIGQUIT' : 'SIGKILL');
  return time;
}

export default async function startup({ quick }) {
  heading(`exec to first answer (${node})`);
  for (const [name, target] of [
    ['hello', 2.1],
    ['express', 1.7],
  ]) {
    const app = path(`apps/${name}.cjs`);
    const times = { tsgun: [], node: [] };
    for (const side of ['tsgun', 'node']) await once(side, app); // files into the page cache, and the compile cache
    for (let round = 0; round < (quick ? 8 : 25); round++) {
      for (const side of round % 2 === 0 ? ['tsgun', 'node'] : ['node', 'tsgun'])
        times[side].push(await once(side, app));
    }
    const [mine, theirs] = [median(times.tsgun), median(times.node)];
    figure(`${name}, tsgun / node`, mine / theirs, 'at most', target, `${mine.toFixed(0)} / ${theirs.toFixed(0)} ms`);
    const best = [Math.min(...times.tsgun), Math.min(...times.node)];
    note(
      '  the quickest of each',
      `${(best[0] / best[1]).toFixed(2).padStart(6)}  (${best.map((ms) => ms.toFixed(0)).join(' / ')} ms)`,
    );
  }
}
