// From exec to the first answered request: `tsgun app.js -b 127.0.0.1:PORT` against `node app.js`, in turn; and a primary
// of node:cluster with one worker, since that is two Node boots in a row as well.
import { figure, heading, median, note } from './figures.mjs';
import { answered, freePort, node, path, start, stop, tsgun } from './processes.mjs';

const sides = {
  tsgun: (app, port) => start([tsgun, app, '-b', `127.0.0.1:${port}`]),
  node: (app, port) => start([app], { env: { BENCH_PORT: String(port) } }),
  cluster: (app, port) => start([path('baseline/cluster.cjs'), app, '1'], { env: { BENCH_PORT: String(port) } }),
};

async function once(side, app) {
  const port = await freePort();
  const begin = performance.now();
  const child = sides[side](app, port);
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
    const order = Object.keys(sides);
    const times = Object.fromEntries(order.map((side) => [side, []]));
    for (const side of order) await once(side, app); // files into the page cache, and the compile cache
    for (let round = 0; round < (quick ? 8 : 25); round++) {
      for (const side of order) times[side].push(await once(side, app));
      order.push(order.shift());
    }
    const compare = (side, of) => {
      const [mine, theirs] = [of(times[side]), of(times.node)];
      return { ratio: mine / theirs, text: `${mine.toFixed(0)} / ${theirs.toFixed(0)} ms` };
    };
    const lowest = (values) => Math.min(...values);
    const mine = compare('tsgun', median);
    figure(`${name}, tsgun / node`, mine.ratio, 'at most', target, mine.text);
    for (const [label, { ratio, text }] of [
      ['  the quickest of each', compare('tsgun', lowest)],
      ['  a bare cluster.fork() / node', compare('cluster', median)],
      ['  the quickest of each', compare('cluster', lowest)],
    ])
      note(label, `${ratio.toFixed(2).padStart(6)}  (${text})`);
  }
}
