/**
 * USR2: a new master is started beside this one, from the files as they are now, Node included. It has the sockets from
 * the beginning, boots workers of its own, and when all of them serve, this one leaves everything to it and stops. Until
 * then this one is in charge, and if the new one fails, nothing has happened.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { logicalCwd } from '../config/environment.ts';
import type { Config } from '../config/settings.ts';
import { monotonicMs } from '../shared/clock.ts';
import { eachLine } from '../shared/lines.ts';
import type { Log } from '../shared/log.ts';
import type { Event, State } from '../supervise/model.ts';
import { CHANNEL_FD, type FromNewMaster, type FromOldMaster, type Handover, UPGRADE } from './handover.ts';
import { handOver } from './inherited.ts';
import type { Listener } from './listeners.ts';
import { circumstances, dangerOf, mayUpgrade } from './may-upgrade.ts';
import { nodeBinary, ownScript, startEnv } from './own-program.ts';

/** What an upgrade needs of the master. */
export interface OldMaster {
  config: Config;
  log: Log;
  listeners(): readonly Listener[];
  state(): State;
  /** False as long as the master that has started this one is in charge. */
  inCharge(): boolean;
  post(event: Event): void;
  /** The new master has gone, and may have left its pid file. */
  failed(pid: number): void;
}

/** What a new master gets on top of --boot-timeout, milliseconds: its own word of what took so long comes first. */
const MARGIN_MS = 2000;

/** How long the end of what it has said is waited for, milliseconds. */
const LAST_WORDS_MS = 200;

/** How long it may take to leave, on top of what its workers may, milliseconds. */
const LEAVE_MS = 3000;

export class Upgrade {
  readonly #old: OldMaster;
  readonly #cwd = logicalCwd(process.cwd(), process.env);
  /** ending: the new master was told to leave, or has failed, and is waited for. */
  #phase: 'idle' | 'upgrading' | 'ending' | 'upgraded' = 'idle';
  #child: ChildProcess | undefined;
  #given: Listener[] = [];
  #gone: Promise<void> = Promise.resolve();
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasServed = false;
  /** Why it failed: the first cause wins. */
  #cause: string | undefined;

  constructor(old: OldMaster) {
    this.#old = old;
  }

  /** Starts a new master, or says why not. */
  begin(): void {
    const { log, config } = this.#old;
    const refusal = this.#refusal();
    if (refusal !== undefined) return log.line('warn', `no upgrade: ${refusal}`, { event: 'upgrade-refused' });
    const danger = dangerOf(circumstances(config.upgrade));
    if (danger !== undefined) log.line('warn', `upgrading by force, although ${danger}`, { event: 'warning' });
    this.#phase = 'upgrading';
    this.#startedAt = monotonicMs();
    this.#cause = undefined;
    this.#hasServed = false;
    try {
      this.#start();
    } catch (error) {
      this.#failed(`it could not be started: ${(error as Error).message}`);
    }
  }

  /** Looks at a state of this master: it does not leave a new one behind that is not in charge. */
  watch({ goal }: State): void {
    if (goal.stop && this.#phase === 'upgrading') this.#end('this one stops');
  }

  /** Resolves when no new master is left that is not in charge. */
  async settled(): Promise<void> {
    if (this.#phase !== 'upgraded') await this.#gone;
  }

  #refusal(): string | undefined {
    const pid = this.#child?.pid;
    if (this.#phase === 'upgraded') return `master ${pid} has taken over already`;
    if (this.#phase !== 'idle') return `one is under way, to master ${pid}`;
    if (!this.#old.inCharge()) return 'this master is an upgrade itself, and not in charge yet';
    const { goal, servedGeneration } = this.#old.state();
    if (goal.stop) return 'this master stops';
    if (servedGeneration === 0) return 'this master does not serve yet';
    return mayUpgrade(circumstances(this.#old.config.upgrade));
  }

  #start(): void {
    const { listeners, fds, sockets } = handOver(this.#old.listeners(), CHANNEL_FD + 1);
    const handover: Handover = { master: process.pid, sockets };
    const env = startEnv();
    // In this session, not in one of its own: a new session has no terminal, and Ctrl-C would not reach it.
    const child = spawn(
      nodeBinary(this.#cwd, env),
      [...process.execArgv, ownScript(this.#cwd), ...process.argv.slice(2)],
      {
        cwd: this.#cwd,
        env: { ...env, PWD: this.#cwd, [UPGRADE]: JSON.stringify(handover) },
        stdio: ['inherit', 'inherit', 'inherit', 'pipe', ...fds],
      },
    );
    this.#child = child;
    this.#given = listeners;
    child.on('error', (error) => {
      if (child.pid === undefined) this.#failed(`it could not be started: ${error.message}`);
    });
    if (child.pid === undefined) return;
    const channel = child.stdio[CHANNEL_FD] as Socket;
    channel.on('error', () => {});
    eachLine(channel, (line) => this.#receive(line, channel));
    this.#gone = ended(child).then(([code, signal]) => this.#exited(code, signal));
    this.#limit();
    this.#old.log.line('info', `upgrade: master ${child.pid} is started beside this one`, {
      event: 'upgrade',
      pid: child.pid,
    });
  }

  /** Its first worker, and then the others, may take as long as workers may at a start. */
  #limit(): void {
    const { bootTimeout } = this.#old.config;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#end(`it did not serve within ${bootTimeout} s (--boot-timeout)`),
      Math.min(bootTimeout * 1000 + MARGIN_MS, 2 ** 31 - 1),
    );
  }

  #receive(line: string, channel: Socket): void {
    const message = parse(line);
    if (!message) return;
    if (message.type === 'failed') this.#cause ??= message.reason;
    if (this.#phase !== 'upgrading') return;
    if (message.type === 'first') {
      this.#hasServed = true;
      this.#limit();
    }
    if (message.type === 'serving') this.#handOver(channel);
  }

  /** From here on the new master is in charge. What only one of two can have is let go before it is told. */
  #handOver(channel: Socket): void {
    const { log, post } = this.#old;
    const { pid } = this.#child!;
    this.#phase = 'upgraded';
    clearTimeout(this.#timer);
    for (const listener of this.#given) listener.shared = true;
    channel.write(`${JSON.stringify({ type: 'yours' } satisfies FromOldMaster)}\n`);
    log.line('info', `upgraded: master ${pid} serves after ${this.#age()}; this one finishes its requests and leaves`, {
      event: 'upgraded',
      pid,
    });
    post({ type: 'stop', how: 'graceful', reason: 'upgraded', exitCode: 0 });
  }

  /** It is told to leave, and killed if it does not. */
  #end(cause: string): void {
    this.#phase = 'ending';
    this.#cause ??= cause;
    clearTimeout(this.#timer);
    this.#child?.kill('SIGTERM');
    const leaveMs = (this.#hasServed ? this.#old.config.gracefulTimeout * 1000 : 0) + LEAVE_MS;
    this.#timer = setTimeout(() => this.#child?.kill('SIGKILL'), leaveMs);
  }

  #exited(code: number | null, signal: string | null): void {
    if (this.#phase === 'upgraded') return;
    const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`;
    this.#failed(this.#cause === undefined ? `it ${how}` : `${this.#cause} (it ${how})`);
  }

  #failed(cause: string): void {
    const { pid } = this.#child ?? {};
    clearTimeout(this.#timer);
    this.#phase = 'idle';
    this.#child = undefined;
    const who = pid === undefined ? 'the new master' : `master ${pid}`;
    const { stop } = this.#old.state().goal;
    this.#old.log.line(
      stop ? 'info' : 'error',
      `upgrade given up: ${who} is gone after ${this.#age()}: ${cause}${stop ? '' : '; this one carries on'}`,
      { event: 'upgrade-failed', pid, cause },
    );
    if (pid !== undefined) this.#old.failed(pid);
  }

  #age(): string {
    return `${((monotonicMs() - this.#startedAt) / 1000).toFixed(1)} s`;
  }
}

/** How a process has ended, when its last words are read; not longer than they may take. */
function ended(child: ChildProcess): Promise<[number | null, string | null]> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      const timer = setTimeout(resolve, LAST_WORDS_MS, [code, signal]);
      child.once('close', () => {
        clearTimeout(timer);
        resolve([code, signal]);
      });
    });
  });
}

/** Another version of tsgun may have other things to say. */
function parse(line: string): FromNewMaster | undefined {
  try {
    return JSON.parse(line) as FromNewMaster;
  } catch {
    return undefined;
  }
}
