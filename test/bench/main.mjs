// `npm run bench [-- throughput startup idle] [--quick] [--check]`: figures of tsgun against plain Node on this machine, in
// one run, as ratios. With --check a missed target makes it exit 1.
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { misses } from './figures.mjs';
import { node, path } from './processes.mjs';

const all = ['throughput', 'startup', 'idle'];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } },
});
const names = positionals.length > 0 ? positionals : all;
const unknown = names.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')}; there are: ${all.join(', ')}`);
  process.exit(2);
}
if (!existsSync(path('../../dist/cli/main.cjs'))) {
  console.error('dist/ is missing: run `npm install` first');
  process.exit(2);
}
console.log(
  `${node === process.execPath ? `Node ${process.versions.node}` : node}, ${cpus().length} x ${cpus()[0]?.model}`,
);
const [busy] = loadavg();
if (busy > 0.5) {
  console.log(
    `other work is going on here (load ${busy.toFixed(1)}): trust the CPU of a request more than rates and times`,
  );
}
for (const name of names) await (await import(`./${name}.mjs`)).default(values);
console.log(misses() === 0 ? '\nall targets met' : `\n${misses()} missed or unclear`);
process.exitCode = values.check && misses() > 0 ? 1 : 0;
