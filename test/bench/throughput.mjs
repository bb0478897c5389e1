// `tsgun -w 2` against two workers of a hand-written node:cluster program with the same handler. Both run on one core and
// the load on the others, where that can be had, so that the server is what limits. Both live at the same time and are
// asked in turn for half a second each, so that other work on the machine hits both; the figure is the median of the ratios
// of neighbours. Some luck is in each process (memory layout, compiler), so there are several of each.
import { figure, heading, median, note } from './figures.mjs';
import { answered, cores, cpuTime, family, freePort, loadGenerator, path, start, stop, tsgun } from './processes.mjs';

const app = path('apps/hello.cjs');
const sides = {
  tsgun: (port) => start([tsgun, app, '-w', '2', '-b', `127.0.0.1:${port}`], { core: cores?.servers }),
  cluster: (port) =>
    start([path('baseline/cluster.cjs'), app, '2'], { env: { BENCH_PORT: String(port) }, core: cores?.servers }),
};

const names = Object.keys(sides);

/** Servers that have time left were not measured: what came was all that the load could ask for. */
const SATURATED = 85;

function unclear(...busy) {
  if (cores === undefined) return undefined; // on all cores together, so that there is no such limit to compare with
  return busy.every((percent) => percent >= SATURATED) ? undefined : 'the load limits, not the servers';
}

/** One pair of fresh processes; resolves to the slices of each mode and side. */
async function round(load, pairs) {
  const running = {};
  for (const side of names) {
    const port = await freePort();
    running[side] = { port, child: sides[side](port) };
  }
  for (const { port, child } of Object.values(running)) await answered(port, child);
  const slices = { kept: { tsgun: [], cluster: [] }, fresh: { tsgun: [], cluster: [] } };
  for (const mode of Object.keys(slices)) {
    for (const { port } of Object.values(running)) await load(port, mode, 64, 1500); // until it is compiled
    for (let pair = 0; pair < pairs; pair++) {
      for (const side of pair % 2 === 0 ? names : names.toReversed()) {
        const { port, child } = running[side];
        const before = cpuTime(family(child.pid));
        const { requests, rate, errors } = await load(port, mode, 64, 500);
        const cpu = (cpuTime(family(child.pid)) - before) / requests;
        slices[mode][side].push({ rate, cpu, busy: (rate * cpu) / 10_000, errors });
      }
    }
  }
  for (const { child } of Object.values(running)) await stop(child, 'SIGQUIT');
  return slices;
}

export default async function throughput({ quick }) {
  const where = cores === undefined ? 'not pinned' : `servers on core ${cores.servers}, load on ${cores.load}`;
  heading(`throughput, 2 workers (${where})`);
  const { load, end } = loadGenerator();
  const rounds = [];
  for (let i = 0; i < (quick ? 1 : 4); i++) rounds.push(await round(load, quick ? 6 : 10));
  end();
  const targets = [
    ['kept', 'kept-alive requests/s', 0.98],
    ['fresh', 'new connections/s', 1.6],
  ];
  for (const [mode, name, target] of targets) {
    const [mine, theirs] = names.map((side) => rounds.flatMap((slices) => slices[mode][side]));
    const ratio = (what) => median(mine.map((slice, index) => slice[what] / theirs[index][what]));
    const both = (what, digits) =>
      [mine, theirs].map((slices) => median(slices.map((slice) => slice[what])).toFixed(digits)).join(' / ');
    const [busy, theirBusy] = [mine, theirs].map((slices) => median(slices.map((slice) => slice.busy)));
    figure(`${name}, tsgun / cluster`, ratio('rate'), 'at least', target, both('rate', 0), unclear(busy, theirBusy));
    note('  CPU of a request, tsgun / cluster', `${ratio('cpu').toFixed(2).padStart(6)}  (${both('cpu', 1)} us)`);
    note('  CPU of the servers, percent of a core', both('busy', 0));
    const lost = [mine, theirs].map((slices) => slices.reduce((sum, { errors }) => sum + errors, 0));
    if (lost.some((count) => count > 0)) note('  lost requests, tsgun / cluster', lost.join(' / '));
  }
}
