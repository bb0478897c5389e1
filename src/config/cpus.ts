import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** What {@link cpuCount} asks of the machine. */
export interface CpuFacts {
  /** CPUs that the scheduler lets this process use. */
  available(): number;
  /** Text of a file; throws when it cannot be read. */
  read(path: string): string;
}

const machine: CpuFacts = { available: availableParallelism, read: (path) => readFileSync(path, 'utf8') };

/**
 * Whole CPUs that this process may use: those it is allowed to run on, within the quota of its control group and of all
 * groups above it. At least 1. Node itself does not look at the quota.
 */
export function cpuCount(facts: CpuFacts = machine): number {
  return Math.max(1, Math.floor(Math.min(facts.available(), ...quotas(facts))));
}

/** The CPU quotas of this process's control groups, from the innermost to the root, in CPUs. */
function quotas(facts: CpuFacts): number[] {
  const groups = lines(facts, '/proc/self/cgroup').map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const mounts = lines(facts, '/proc/self/mountinfo').map(parseMount);
  const found: number[] = [];
  for (const group of groups) {
    const [, controllers = '', path = '/'] = group ?? [];
    const isV2 = group !== null && controllers === '';
    if (!isV2 && !controllers.split(',').includes('cpu')) continue;
    const mount = mounts.find((m) =>
      isV2 ? m?.type === 'cgroup2' : m?.type === 'cgroup' && m.options.includes('cpu'),
    );
    const top = mount?.point ?? (isV2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/cpu');
    for (const folder of upward(below(path, mount?.root ?? '/'))) {
      const quota = isV2 ? quotaV2(facts, top + folder) : quotaV1(facts, top + folder);
      if (quota !== undefined) found.push(quota);
    }
  }
  return found;
}

function quotaV2(facts: CpuFacts, folder: string): number | undefined {
  const [quota = 'max', period = '100000'] = lines(facts, `${folder}/cpu.max`)[0]?.split(' ') ?? [];
  return ratio(Number(quota), Number(period));
}

function quotaV1(facts: CpuFacts, folder: string): number | undefined {
  const read = (name: string) => Number(lines(facts, `${folder}/${name}`)[0] ?? Number.NaN);
  return ratio(read('cpu.cfs_quota_us'), read('cpu.cfs_period_us'));
}

/** No quota is `max` in version 2 and -1 in version 1. */
const ratio = (quota: number, period: number) => (quota > 0 && period > 0 ? quota / period : undefined);

/** A line of mountinfo: which folder of the file system (root) is seen where (point). */
function parseMount(line: string) {
  const [left = '', right = ''] = line.split(' - ');
  const [, , , root = '/', point = ''] = left.split(' ');
  const [type = '', , options = ''] = right.split(' ');
  return type.startsWith('cgroup') ? { root, point, type, options: options.split(',') } : undefined;
}

/** In a container without a namespace of its own, the mount shows only the part below its root. */
function below(path: string, root: string): string {
  if (root === '/') return path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : '';
}

/** `/a/b` → `/a/b`, `/a`, `` */
function upward(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, cut) => {
    const kept = parts.slice(0, parts.length - cut);
    return kept.length === 0 ? '' : `/${kept.join('/')}`;
  });
}

function lines(facts: CpuFacts, path: string): string[] {
  try {
    return facts.read(path).trim().split('\n');
  } catch {
    return [];
  }
}
