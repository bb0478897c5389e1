/**
 * A start is two Node boots in a row. Where the command line allows it, the second begins before the first has read the
 * rest of tsgun: the worker waits for its orders anyway. It is used if the configuration turns out to ask for just this
 * process, and sent away otherwise; it has loaded nothing of the application by then.
 */
import type { Worker } from 'node:cluster';
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { isCommand } from '../config/commands.ts';
import { childEnv, logicalCwd } from '../config/environment.ts';
import { type Executable, executableOf, forgetGhost, forkWorker } from './fork.ts';
import { bindTcp } from './listeners-node.ts';

/** Options that change nothing of a worker's process: not its directory, environment, permissions or arguments of Node. */
const harmless =
  /^(-[wbnp]|--(workers|bind|name|pid|control-socket|backlog|boot-timeout|graceful-timeout|drain-linger|keep-alive|app-port|ready|verify|max-requests|max-requests-jitter|drain-delay|surge|rollout-strategy|min-uptime|max-lifetime|log-level|log-format|error-logfile|upgrade))$/;

const configFiles = ['js', 'mjs', 'cjs', 'ts', 'json'].map((ending) => `tsgun.config.${ending}`);

let early: { worker: Worker; executable: Executable } | undefined;

/** Starts the first worker if the command line is of the plainest: `app.js`, harmless options, IPv4 addresses that are free. */
export function forkEarly(argv: readonly string[], processEnv: Readonly<Record<string, string | undefined>>): void {
  const [app = '', ...options] = argv;
  const plain = options.length % 2 === 0 && options.every((word, index) => index % 2 === 1 || harmless.test(word));
  if (!plain || app.startsWith('-') || isCommand(app) || processEnv.TSGUN_CMD_ARGS || processEnv.TSGUN_UPGRADE) return;
  if (!existsSync(app) || configFiles.some((file) => existsSync(file))) return;
  const binds = options.filter((_, index) => /^(-b|--bind)$/.test(options[index - 1] ?? ''));
  if (binds.length === 0 && processEnv.PORT) binds.push(processEnv.PORT);
  if (!binds.every(isFree)) return;
  const cwd = logicalCwd(process.cwd(), processEnv);
  const executable = executableOf(cwd, childEnv(processEnv, cwd, [], {}), 0);
  try {
    early = { worker: forkWorker(executable), executable };
    // A spawn may fail later, too: see below.
    early.worker.on('error', () => {});
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

/** The worker that was started early, once, if it lives and is what is wanted now. */
export function takeEarlyWorker(executable: Executable): Worker | undefined {
  const taken = early;
  early = undefined;
  if (taken === undefined) return undefined;
  const { worker } = taken;
  // What became of it before anybody listened is not told again.
  if (worker.process.pid === undefined) forgetGhost(worker);
  else if (!worker.isDead() && isDeepStrictEqual(taken.executable, executable)) return worker;
  worker.process.kill('SIGKILL');
  return undefined;
}
