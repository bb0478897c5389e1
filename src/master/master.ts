import { basename, join } from 'node:path';
import type { Resolved } from '../config/load.ts';
import type { Config } from '../config/settings.ts';
import { version } from '../config/version.ts';
import { failures, TsgunError } from '../errors.ts';
import { addressUrl } from '../shared/address.ts';
import { monotonicMs } from '../shared/clock.ts';
import type { Log } from '../shared/log.ts';
import type { FromWorker } from '../shared/protocol.ts';
import { formatSockName } from '../shared/sockname.ts';
import type { ReloadResult, Status } from '../shared/status.ts';
import { commandLine, eventLine, type Line, outcomeLine } from '../supervise/journal.ts';
import { type Command, type Event, initialState, type State } from '../supervise/model.ts';
import { Arbiter, type Shell } from './arbiter.ts';
import { bootOrder } from './boot-order.ts';
import { executableOf } from './fork.ts';
import { Generations, whereItWas } from './generations.ts';
import type { InheritedSockets } from './inherited.ts';
import { type Listener, Listeners } from './listeners.ts';
import { policyOf } from './policy.ts';
import { Reloads } from './reload.ts';
import { LastWords, StackCounter } from './stacks.ts';
import { deathOf, statusOf } from './status.ts';
import { WorkerProcess } from './worker-process.ts';

/** What becomes of the master's life as a whole. */
export interface MasterEvents {
  /** The first worker serves. */
  ready(): void;
  /** No worker is left, and none is wanted. */
  halted(exitCode: number): void;
  /** Something has happened. */
  stepped(state: State): void;
}

/** The hands of the arbiter: it spawns, tells and kills workers, and reports what they say. */
export class Master implements Shell {
  readonly name: string;
  readonly listeners: Listeners;
  readonly arbiter: Arbiter;
  readonly #generations: Generations;
  readonly #reloads: Reloads;
  readonly #log: Log;
  readonly #events: MasterEvents;
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #notices = new Set<string>();
  readonly #stacks = new StackCounter();
  readonly #startedAt = new Date(Date.now() - process.uptime() * 1000);
  #lastDeath: Status['lastDeath'];
  readonly #words = new LastWords();
  /** What an uncaught exception said, by worker. */
  readonly #lastWords = new Map<number, string>();

  constructor(resolved: Resolved, log: Log, events: MasterEvents, inherited?: InheritedSockets) {
    const { config } = resolved;
    this.#generations = new Generations(resolved);
    this.#log = log;
    this.#events = events;
    this.name = config.name ?? basename(config.app.file);
    this.listeners = new Listeners({ mode: config.socketMode, group: config.socketGroup }, inherited);
    const seed = Math.floor(Math.random() * 2 ** 32);
    this.arbiter = new Arbiter(
      initialState(config, seed),
      ({ goal }) => policyOf(this.#configOf(goal.generation)),
      this,
    );
    this.#reloads = new Reloads({
      arbiter: this.arbiter,
      listeners: this.listeners,
      generations: this.#generations,
      log,
      pidOf: this.#pidOf,
      lastWords: (id) => this.#words.last(id),
    });
  }

  /** The configuration that is in force: the one that has proved itself. */
  get config(): Config {
    return this.#configOf(this.arbiter.state.goal.generation);
  }

  #configOf(generation: number): Config {
    return this.#generations.get(generation).resolved.config;
  }

  /** Binds what the user asked for. @throws TsgunError('bind') */
  async bind(): Promise<void> {
    await this.listeners.bind(this.config.bind);
    this.#generations.bound(1, this.listeners.explicit);
  }

  /** Reads the configuration anew and replaces all workers, if that proves itself. Resolves when it has ended. */
  reload(): Promise<ReloadResult> {
    return this.#reloads.request();
  }

  /** As a reload that failed before it began. */
  async refuseReload(why: string): Promise<ReloadResult> {
    const message = `reload refused: ${why}`;
    this.#log.line('warn', message, { event: 'rollout', outcome: 'failed', cause: 'upgrade' });
    return { outcome: 'failed', message, durationMs: 0, at: new Date().toISOString() };
  }

  perform(command: Command): void {
    switch (command.type) {
      case 'spawn':
        return this.#spawn(command);
      case 'listen':
        return this.#listen(command.id);
      case 'drain': {
        const { how, lingerMs, timeoutMs, queue } = command;
        return this.#workers.get(command.id)?.send({ type: 'drain', how, lingerMs, timeoutMs, queue });
      }
      case 'kill':
        return this.#workers.get(command.id)?.kill('SIGKILL');
      case 'halt':
        return this.#events.halted(command.exitCode);
    }
  }

  journalEvent(event: Event, before: State, after: State, now: number): void {
    this.#write(eventLine(event, before, after, now, this.#pidOf));
    if (event.type === 'exited')
      this.#lastDeath = deathOf(event, before, this.#pidOf(event.id), new Date()) ?? this.#lastDeath;
    if (event.type === 'exited') this.#workers.delete(event.id);
    if (before.servedGeneration === 0 && after.servedGeneration > 0) this.#events.ready();
    // Nobody accepts any more: who connects is to be refused, not to wait in vain.
    if (!before.goal.stop?.begun && after.goal.stop?.begun) this.listeners.closeAll();
    this.#write(outcomeLine(before, after, this.#pidOf));
    this.#reloads.watch(before, after);
    this.#changeGeneration(before, after);
    this.#events.stepped(after);
  }

  /** What a generation that has proved itself brings, and what one that is no more takes away. */
  #changeGeneration(before: State, after: State): void {
    if (before.goal.generation !== after.goal.generation) {
      const { logLevel: level, logFormat: format, errorLogfile: file } = this.#configOf(after.goal.generation);
      this.#notices.clear();
      void this.#log.change({ level, format, file });
    }
    if (this.#generations.forget(after) && !after.goal.stop) this.listeners.keepExplicit(this.#generations.listeners);
  }

  /** The master that has started this one leaves everything to it. */
  takeOver(): void {
    this.listeners.takeOver();
    for (const listener of this.listeners.all) if (listener.stage === 'listening') this.#announce(listener);
  }

  journalCommand(command: Command, state: State): void {
    this.#write(commandLine(command, state, this.#pidOf));
  }

  /** What the control socket says. */
  status(): Status {
    const at = new Date();
    const { rollout } = this.arbiter.state;
    return statusOf(this.arbiter.state, {
      name: this.name,
      pid: process.pid,
      tsgun: version,
      node: process.version,
      startedAt: this.#startedAt,
      nowMs: monotonicMs(),
      at,
      addresses: this.listeners.all.map(({ sockname }) => formatSockName(sockname)),
      pidOf: this.#pidOf,
      lastDeath: this.#lastDeath,
      lastRollout: this.#reloads.last,
      rollout: rollout && { ...rollout, provenAt: rollout.proven && rollout.startedAt },
      paused: this.arbiter.state.goal.paused,
    });
  }

  /**
   * What nobody caught in the master: of a hook's afterwards, which is the user's, or of ours. Ours ends it in order,
   * and says so.
   */
  uncaught(error: unknown): void {
    const stack = error instanceof Error ? String(error.stack) : String(error);
    const frame = stack.split('\n').find((line) => /^\s+at /.test(line)) ?? '';
    const { onStarting, whenReady, onExit } = this.config;
    if ((onStarting || whenReady || onExit) && !frame.includes(join(__dirname, '..'))) {
      this.#log.line('error', 'a hook of the configuration file left an error to nobody', { event: 'hook', stack });
      return;
    }
    this.#log.line('fatal', 'this is a bug in tsgun, please report it with the stack', { event: 'bug', stack });
    const { exitCode, about } = failures.bug;
    this.arbiter.post({ type: 'stop', how: 'graceful', reason: about, exitCode });
  }

  /** The start cannot go on. */
  fail(error: TsgunError): void {
    this.#log.line('fatal', error.line, { event: 'failed', cause: error.code });
    this.arbiter.post({ type: 'stop', how: 'quick', reason: failures[error.code].about, exitCode: error.exitCode });
  }

  readonly #pidOf = (id: number): number | undefined => this.#workers.get(id)?.pid;

  #write(line: Line | undefined): void {
    if (line) this.#log.line(line.level, line.message, line.fields);
  }

  #spawn({ id, slot, generation }: Extract<Command, { type: 'spawn' }>): void {
    const { resolved: made, explicit } = this.#generations.get(generation);
    const resolved = whereItWas(made);
    const { cwd, childEnv } = resolved;
    const worker = new WorkerProcess(executableOf(cwd, childEnv, slot), {
      message: (message) => this.#receive(id, worker, message),
      question: async (question) => {
        const answer = await this.listeners.answer(question, id, cwd);
        const unprimed = this.listeners.takeUnprimed();
        this.#prime(worker, unprimed, resolved.config.backlog);
        return 'listener' in answer
          ? { ...answer, primes: unprimed.some((each) => each.id === answer.listener.id) }
          : answer;
      },
      line: (text) => {
        this.#words.line(id, text);
        this.#log.forward(text);
      },
      exited: (code, signal, detail) => this.#exited(id, code, signal, detail),
    });
    this.#workers.set(id, worker);
    const unprimed = this.listeners.takeUnprimed();
    const canary = this.arbiter.state.servedGeneration < generation;
    const facts = { id, slot, generation, canary, primes: unprimed.length };
    worker.send(bootOrder(resolved, this.name, explicit, facts));
    this.#prime(worker, unprimed, resolved.config.backlog);
  }

  /** Sends the sockets that do not listen yet, for the worker to make them. */
  #prime(worker: WorkerProcess, unprimed: readonly Listener[], backlog: number): void {
    for (const { id, handle } of unprimed) {
      worker.send({ type: 'prime', listener: id, backlog }, handle);
    }
  }

  /** The sockets that its main server will ask for go along: they are open as long as workers are told to listen. */
  #listen(id: number): void {
    const worker = this.#workers.get(id);
    const { generation } = this.arbiter.state.workers.find((each) => each.id === id)!;
    const { explicit } = this.#generations.get(generation);
    worker?.send({ type: 'listen', handles: explicit.map((each) => each.id) });
    for (const each of explicit)
      worker?.send({ type: 'handle', listener: each.id }, this.listeners.get(each.id)?.handle);
  }

  #receive(id: number, worker: WorkerProcess, message: FromWorker): void {
    switch (message.type) {
      case 'primed':
        return void this.#primed(message.listener, message.errno, id);
      case 'want':
        return worker.send(
          { type: 'handle', listener: message.listener },
          this.listeners.get(message.listener)?.handle,
        );
      case 'closed':
        return this.listeners.closedBy(message.listener, id);
      case 'chmod':
        return this.listeners.openToAll(message.listener, message.mode);
      case 'loaded':
        return this.arbiter.post({ type: 'loaded', id, kind: message.kind });
      case 'serving':
        return this.arbiter.post({ type: 'serving', id });
      case 'leaving':
        return this.arbiter.post({ type: 'leaving', id, reason: message.reason });
      case 'retiring':
        return this.arbiter.post({ type: 'retiring', id, reason: message.reason });
      case 'failed': {
        const { code, message: reason, stack } = message.failure;
        this.#words.stack(id, stack);
        this.arbiter.post({ type: 'failed', id, exitCode: failures[code].exitCode, reason });
        return this.#logStack(id, stack);
      }
      case 'uncaught':
        this.#words.stack(id, message.stack);
        return void this.#lastWords.set(id, message.stack.split('\n', 1)[0]!);
      case 'notice':
        return this.#notice(message.level, message.message);
      case 'drained':
        return this.#log.line('debug', `worker ${id} has finished its requests`, { event: 'drained', worker: id });
    }
  }

  async #primed(id: number, errno: number, workerId: number): Promise<void> {
    try {
      const since = await this.listeners.primed(id, errno);
      const listener = this.listeners.get(id);
      if (since && listener) this.#announce(listener);
    } catch (error) {
      if (!(error instanceof TsgunError)) throw error;
      // What a program asks for while others are served must not end them.
      if (this.arbiter.state.servedGeneration === 0) return this.fail(error);
      this.#log.line('error', error.line, { event: 'failed', cause: error.code });
      if (!this.listeners.get(id)?.explicit) return;
      this.arbiter.post({ type: 'failed', id: workerId, exitCode: error.exitCode, reason: error.line });
      this.#workers.get(workerId)?.kill('SIGKILL');
    }
  }

  #announce({ sockname, explicit }: Listener): void {
    const address = formatSockName(sockname);
    const url =
      'port' in sockname
        ? addressUrl({ kind: 'tcp', host: sockname.address, port: sockname.port, text: address })
        : address;
    this.#log.line(
      'info',
      `listening at ${url}${url.endsWith(`/${address}`) || url === address ? '' : ` (${address})`}`,
      {
        event: 'listening',
        address,
        url,
        explicit,
      },
    );
  }

  #exited(id: number, code: number | null, signal: string | null, detail?: string): void {
    this.listeners.forgetWorker(id);
    this.listeners.primingLost();
    const words = this.#lastWords.get(id);
    this.#lastWords.delete(id);
    this.arbiter.post({
      type: 'exited',
      id,
      code,
      signal,
      ...(detail === undefined ? {} : { detail }),
      ...(words && code !== 0 ? { words } : {}),
    });
    this.#words.forget(id);
  }

  /** The same stack is shown once, and counted from then on. */
  #logStack(id: number, stack: string | undefined): void {
    if (stack === undefined) return;
    const times = this.#stacks.count(stack);
    if (times === 1)
      this.#log.line('error', `worker ${id}: the application's stack:`, { event: 'stack', worker: id, stack });
    else
      this.#log.line('error', `worker ${id}: the same stack for the ${times}. time`, {
        event: 'stack',
        worker: id,
        times,
      });
  }

  /** Workers of one generation have the same to say. */
  #notice(level: 'info' | 'warn', message: string): void {
    if (this.#notices.has(message)) return;
    this.#notices.add(message);
    this.#log.line(level, message, { event: 'notice' });
  }
}
