/**
 * A start is two Node boots in a row. Where the command line allows it, the second begins before the first has read the
 * rest of tsgun: the worker waits for its orders anyway. It is used if the configuration turns out to ask for just this
 * process, and sent away otherwise; it has loaded nothing of the application by then.
 */
import type { Worker } from 'node:cluster';
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { childEnv, logicalCwd } from '../config/environment.ts';
import { type Executable, executableOf, forkWorker } from './fork.ts';
import { bindTcp } from './listeners-node.ts';

/** Options that change nothing of a worker's process: not its directory, environment, permissions or arguments of Node. */
const harmless =
  /^(-[wbnp]|--(workers|bind|name|pid|backlog|boot-timeout|graceful-timeout|drain-linger|keep-alive|app-port|ready|verify|max-requests|max-requests-jitter|log-level|log-format|error-logfile))$/;

const configFiles = ['js', 'mjs', 'cjs', 'ts', 'json'].map((ending) => `tsgun.config.${ending}`);

let early: { worker: Worker; executable: Executable } | undefined;

/** Starts the first worker if the command line is of the plainest: `app.js`, harmless options, IPv4 addresses that are free. */
export function forkEarly(argv: readonly string[], processEnv: Readonly<Record<string, string | undefined>>): void {
  const [app = '', ...options] = argv;
  const plain = options.length % 2 === 0 && options.every((word, index) => index % 2 === 1 || harmless.test(word));
  if (!plain || app.startsWith('-') || processEnv.TSGUN_CMD_ARGS) return;
  if (!existsSync(app) || configFiles.some((file) => existsSync(file))) return;
  const binds = options.filter((_, index) => /^(-b|--bind)$/.test(options[index - 1] ?? ''));
  if (binds.length === 0 && processEnv.PORT) binds.push(processEnv.PORT);
  if (!binds.every(isFree)) return;
  const cwd = logicalCwd(process.cwd(), processEnv);
  const executable = executableOf(cwd, childEnv(processEnv, cwd, [], {}), 0);
  try {
    early = { worker: forkWorker(executable), executable };
  } catch {
    // The first worker will be started the ordinary way, and its failure told.
  }
}

/** A taken address is an error before any worker is forked. */
function isFree(bind: string): boolean {
  const [, host = '0.0.0.0', port] = /^(?:(\d+\.\d+\.\d+\.\d+):|:)?(\d+)$/.exec(bind) ?? [];
  const bound = port === undefined || Number(port) > 65535 ? -1 : bindTcp(host, Number(port), 4);
  if (typeof bound === 'number') return false;
  bound.handle.close();
  return true;
}

/** The worker that was started early, once, if it is what is wanted now. */
export function takeEarlyWorker(executable: Executable): Worker | undefined {
  const taken = early;
  early = undefined;
  if (taken && isDeepStrictEqual(taken.executable, executable)) return taken.worker;
  taken?.worker.process.kill('SIGKILL');
  return undefined;
}
