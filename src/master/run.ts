/** The boot order of the master. What needs time (pino) comes after the first worker was forked. */
import { setTimeout } from 'node:timers/promises';
import { type HookName, type Master as HookView, runHook } from '../config/hooks.ts';
import type { Resolved } from '../config/load.ts';
import { version } from '../config/version.ts';
import { TsgunError } from '../errors.ts';
import { checkLogFile, Log, type LogOptions } from '../shared/log.ts';
import { formatSockName } from '../shared/sockname.ts';
import { Control } from './control/control.ts';
import type { Instance } from './control/instance.ts';
import { Master, type MasterEvents } from './master.ts';
import { terminal } from './may-upgrade.ts';
import { Pidfile } from './pidfile.ts';
import type { Predecessor } from './predecessor.ts';
import { takeSignals } from './signals.ts';
import { isReady } from './status.ts';
import { Upgrade } from './upgrade.ts';
import { startWarnings } from './warnings.ts';

/** Loading pino would take the first worker's processor: it waits until that one serves, or at the most this long. */
const LOG_WAITS_MS = 300;

/** A worker that just came to serve has connections waiting for it. */
const FIRST_ANSWERS_MS = 30;

/** Longest delay of a timer, milliseconds. */
const FOREVER_MS = 2 ** 31 - 1;

/**
 * Runs the master until it halts; then the process exits.
 * @param predecessor  the master that has started this one to be replaced by it
 * @throws TsgunError before anything was started
 */
export async function run(resolved: Resolved, predecessor?: Predecessor): Promise<void> {
  const { config } = resolved;
  if (config.umask !== undefined) process.umask(config.umask);
  const log = openableLog(resolved, predecessor);
  const pidfile = config.pid === undefined ? undefined : new Pidfile(config.pid, predecessor?.pid);
  const hook = (name: HookName): Promise<void> =>
    runHook(master.config, name, view(), (failure) => log.line('error', failure.line, { event: 'hook', hook: name }));
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let start = (): void => {};
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  const events: MasterEvents = {
    ready: () => {
      begin();
      log.line('info', 'ready: the first worker serves', { event: 'ready' });
      void hook('whenReady');
    },
    halted: (exitCode) => void end(exitCode),
    stepped: (state) => {
      upgrade.watch(state);
      predecessor?.watch(state);
    },
  };
  const master = new Master(resolved, log, events, predecessor?.sockets);
  const upgrade = new Upgrade({
    config,
    log,
    listeners: () => master.listeners.all,
    state: () => master.arbiter.state,
    post: (event) => master.arbiter.post(event),
    inCharge: () => predecessor?.isOver ?? true,
    letGo: () => control.stop(),
    failed: (pid) => pidfile?.removeOf(pid),
  });
  const view = (): HookView => ({
    pid: process.pid,
    name: master.name,
    addresses: master.listeners.all.map(({ sockname }) => formatSockName(sockname)),
    log: (level, message) => log.line(level, message, { event: 'hook' }),
  });
  const instance = instanceOf(master, upgrade);
  const control = new Control(config, master.name, instance, log);
  const end = async (exitCode: number): Promise<void> => {
    await log.open();
    master.listeners.closeAll();
    await hook('onExit');
    await upgrade.settled();
    await control.stop();
    pidfile?.remove();
    predecessor?.failed();
    await log.close();
    process.exit(exitCode);
  };

  // Sockets that nobody accepts on and signal handlers keep no loop alive; a master without workers must stay.
  setInterval(() => {}, FOREVER_MS);
  takeSignals((event) => master.arbiter.post(event), {
    // A reload during the hook would bind, and start workers, before the start does.
    SIGHUP: () => void started.then(() => instance.reload()),
    SIGUSR1: () => {
      log.reopen();
      log.line('info', 'SIGUSR1: log files were opened anew', { event: 'reopen' });
    },
    SIGUSR2: () => upgrade.begin(),
    // Every resize of a terminal sends it to all that run there.
    SIGWINCH: () => {
      if (!terminal(process.pid).hasTerminal) master.arbiter.post({ type: 'pause', reason: 'SIGWINCH' });
      else log.line('debug', 'SIGWINCH of the terminal is ignored', { event: 'signal', signal: 'SIGWINCH' });
    },
  });
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => master.uncaught(error));
  process.title = `tsgun: master [${master.name}]`;
  pidfile?.write();
  try {
    await hook('onStarting');
    if (!master.arbiter.state.halted) await master.bind();
    if (!master.arbiter.state.halted && !predecessor) await control.openAdmin();
  } catch (error) {
    master.listeners.closeAll();
    pidfile?.remove();
    throw error;
  }
  // A signal that came meanwhile has ended it: the process exits when that is done.
  if (master.arbiter.state.halted) return;
  log.line('info', `tsgun ${version} on Node ${process.version}; a stop takes at most ${stopBudget(resolved)} s`, {
    event: 'start',
    version,
    node: process.version,
  });
  predecessor?.onTakeOver(() => {
    if (master.arbiter.state.goal.stop) return;
    pidfile?.takeOver();
    log.line('info', `in charge, after master ${predecessor.pid}`, { event: 'takeover', pid: process.pid });
    master.takeOver();
    // The old master has closed what it had at these addresses.
    void openDoors(control, log);
  });
  master.arbiter.post({ type: 'tick', lateMs: 0 });
  start();
  await Promise.race([begun.then(() => setTimeout(FIRST_ANSWERS_MS)), setTimeout(LOG_WAITS_MS)]);
  if (!predecessor) await control.openSocket(process.env);
  await log.open();
  const socknames = master.listeners.all.map(({ sockname }) => sockname);
  for (const warning of startWarnings(resolved.childEnv, process.getuid?.(), socknames)) {
    log.line('warn', warning, { event: 'warning' });
  }
}

/** What the control socket has to do with. */
function instanceOf(master: Master, upgrade: Upgrade): Instance {
  return {
    status: () => master.status(),
    reload: () => {
      const refusal = upgrade.refusesReload;
      return refusal === undefined ? master.reload() : master.refuseReload(refusal);
    },
    get ready() {
      return isReady(master.arbiter.state);
    },
  };
}

/** After an upgrade. An address that somebody else took in that moment is told, and ends nothing. */
async function openDoors(control: Control, log: Log): Promise<void> {
  await control.openAdmin().catch((error: Error) => log.line('error', error.message, { event: 'admin' }));
  await control.openSocket(process.env);
}

/** drain-delay + graceful-timeout + 2 s: what TimeoutStopSec= and Kubernetes' grace period have to exceed. */
function stopBudget({ config }: Resolved): number {
  return config.drainDelay + config.gracefulTimeout + 2;
}

function openableLog({ config, childEnv }: Resolved, predecessor: Predecessor | undefined): Log {
  try {
    checkLogFile(config.errorLogfile);
  } catch (error) {
    throw new TsgunError('config', `--error-logfile: cannot write ${config.errorLogfile}: ${(error as Error).message}`);
  }
  const { logLevel: level, logFormat: format, errorLogfile: file } = config;
  const tap: LogOptions['tap'] = (...line) => predecessor?.heard(...line);
  return new Log({ level, format, file, env: childEnv, tap });
}
