/**
 * USR2: a new master is started beside this one, from the files as they are now, Node included. It has the sockets from
 * the beginning, boots workers of its own, and when all of them serve, this one leaves everything to it and stops. Until
 * then this one is in charge, and if the new one fails, nothing has happened.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { logicalCwd } from '../config/environment.ts';
import type { Config } from '../config/settings.ts';
import { monotonicMs } from '../shared/clock.ts';
import type { Log } from '../shared/log.ts';
import type { Event, State } from '../supervise/model.ts';
import { CHANNEL_FD, type FromNewMaster } from './handover.ts';
import { handOver } from './inherited.ts';
import type { Listener } from './listeners.ts';
import { circumstances, dangerOf, mayUpgrade } from './may-upgrade.ts';
import { NewMaster } from './new-master.ts';

/** What an upgrade needs of the master. */
export interface OldMaster {
  config: Config;
  log: Log;
  listeners(): readonly Listener[];
  state(): State;
  /** False as long as the master that has started this one is in charge. */
  inCharge(): boolean;
  post(event: Event): void;
  /** Closes what two masters cannot have at the same address, within a moment. */
  letGo(): Promise<void>;
  /** The new master has gone, and may have left its pid file. */
  failed(pid: number): void;
}

/** What a new master gets on top of --boot-timeout, milliseconds: its own word of what took so long comes first. */
const MARGIN_MS = 2000;

/** How long the control socket may take to close, milliseconds: the new master waits for its word. */
const LET_GO_MS = 500;

/** How long it may take to leave, on top of what its workers may, milliseconds. */
const LEAVE_MS = 3000;

/** Longest delay of a timer, milliseconds. */
const FOREVER_MS = 2 ** 31 - 1;

export class Upgrade {
  readonly #old: OldMaster;
  readonly #cwd = logicalCwd(process.cwd(), process.env);
  /** ending: the new master was told to leave, and is waited for. */
  #phase: 'idle' | 'upgrading' | 'ending' | 'upgraded' = 'idle';
  #new: NewMaster | undefined;
  /** What the new master was given. */
  #given: Listener[] = [];
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  /** A worker of the new master serves: it may have requests. */
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
      this.#failed(`could not be started: ${(error as Error).message}`);
    }
  }

  /** Why this master does not reload now: it would answer for workers that are about to leave. */
  get refusesReload(): string | undefined {
    if (this.#phase === 'idle') return undefined;
    return `an upgrade is under way, to master ${this.#new?.pid}; reload that one when it is in charge`;
  }

  /** Looks at a state of this master: it does not leave a new one behind that is not in charge. */
  watch({ goal }: State): void {
    if (goal.stop && this.#phase === 'upgrading') this.#end('this one stops');
  }

  /** Resolves when no new master is left that is not in charge. */
  async settled(): Promise<void> {
    if (this.#phase !== 'upgraded') await this.#new?.gone;
  }

  #refusal(): string | undefined {
    const pid = this.#new?.pid;
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
    const started = new NewMaster(this.#cwd, sockets, fds, {
      said: (message) => this.#receive(message),
      ended: (how) => this.#ended(how),
    });
    this.#new = started;
    this.#given = listeners;
    const { pid } = started;
    if (pid === undefined) return;
    this.#limit();
    this.#old.log.line('info', `upgrade: master ${pid} is started beside this one`, { event: 'upgrade', pid });
  }

  /** Its first worker, and then the others, may take as long as workers may at a start. */
  #limit(): void {
    const { bootTimeout } = this.#old.config;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => this.#end(`did not serve within ${bootTimeout} s (--boot-timeout)`),
      Math.min(bootTimeout * 1000 + MARGIN_MS, FOREVER_MS),
    );
  }

  #receive(message: FromNewMaster): void {
    if (message.type === 'failed') this.#cause ??= message.reason;
    if (this.#phase !== 'upgrading') return;
    if (message.type === 'first') {
      this.#hasServed = true;
      this.#limit();
    }
    if (message.type === 'serving') this.#handOver();
  }

  /** From here on the new master is in charge. What only one of two can have is let go before it is told. */
  #handOver(): void {
    const { log, post } = this.#old;
    const { pid } = this.#new!;
    this.#phase = 'upgraded';
    clearTimeout(this.#timer);
    for (const listener of this.#given) listener.shared = true;
    const next = this.#new!;
    void Promise.race([this.#old.letGo(), sleep(LET_GO_MS)]).then(() => next.yours());
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
    this.#new?.kill('SIGTERM');
    const leaveMs = (this.#hasServed ? this.#old.config.gracefulTimeout * 1000 : 0) + LEAVE_MS;
    this.#timer = setTimeout(() => this.#new?.kill('SIGKILL'), Math.min(leaveMs, FOREVER_MS));
  }

  #ended(how: string): void {
    if (this.#phase === 'upgraded') return;
    this.#failed(this.#cause === undefined ? how : `${how} (${this.#cause})`);
  }

  #failed(cause: string): void {
    const { log, state, failed } = this.#old;
    const { pid } = this.#new ?? {};
    clearTimeout(this.#timer);
    this.#phase = 'idle';
    this.#new = undefined;
    // First: who reads the line may look for what was left.
    if (pid !== undefined) failed(pid);
    const who = pid === undefined ? 'the new master' : `master ${pid}`;
    const stopping = state().goal.stop !== undefined;
    log.line(
      stopping ? 'info' : 'error',
      `upgrade given up: ${who} ${cause} after ${this.#age()}${stopping ? '' : '; this one carries on'}`,
      { event: 'upgrade-failed', pid, cause },
    );
  }

  #age(): string {
    return `${((monotonicMs() - this.#startedAt) / 1000).toFixed(1)} s`;
  }
}
