import cluster, { type Worker } from 'node:cluster';
import { workerFile } from './worker-file.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What makes a worker's process; it belongs to a generation and a slot. */
export interface Executable {
  /** Working directory, with symbolic links unresolved. */
  cwd: string;
  env: Env;
}

/** @param env  the environment of the generation's workers */
export function executableOf(cwd: string, env: Env, slot: number): Executable {
  return { cwd, env: { ...env, TSGUN_SLOT: String(slot), NODE_APP_INSTANCE: String(slot), PWD: cwd } };
}

/**
 * Starts a worker's process.
 * @param warn  hears what is odd about the file that it is started from
 * @throws Error when that fails at once; later failures are events of the worker
 */
export function forkWorker({ cwd, env }: Executable, warn: (message: string) => void = () => {}): Worker {
  // cluster has no other way to say where and how the next worker is started.
  cluster.setupPrimary({
    exec: workerFile(cwd, warn),
    args: [],
    cwd,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc', 'pipe'],
  });
  return cluster.fork(withoutTheMastersOwn(env));
}

/** A spawn that failed gives no 'exit', and cluster keeps its ghost. */
export function forgetGhost({ id }: Worker): void {
  delete cluster.workers?.[id];
}

/** cluster.fork adds to the master's environment; variables that a worker is not to have are taken out by name. */
function withoutTheMastersOwn(env: Env): Record<string, string | undefined> {
  const absent = Object.keys(process.env).filter((name) => !(name in env));
  return { ...Object.fromEntries(absent.map((name) => [name, undefined])), ...env };
}
