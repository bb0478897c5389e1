/**
 * A reload: the configuration is read anew and checked, its sockets are bound, and only then the core is told of a new
 * generation. Who asked for it is answered when the rollout has ended; of those that overlap, with the newest one's outcome.
 */
import { rereadConfig } from '../config/reread.ts';
import { reloaded, unchangeable } from '../config/unchangeable.ts';
import { TsgunError } from '../errors.ts';
import { monotonicMs } from '../shared/clock.ts';
import type { Log } from '../shared/log.ts';
import type { ReloadResult } from '../shared/status.ts';
import { outcomeText } from '../supervise/journal.ts';
import type { State } from '../supervise/model.ts';
import type { Arbiter } from './arbiter.ts';
import type { Generations } from './generations.ts';
import type { Listeners } from './listeners.ts';
import { planOf } from './policy.ts';

/** What a reload needs of the master. */
export interface Reloadable {
  arbiter: Arbiter;
  listeners: Listeners;
  generations: Generations;
  log: Log;
  pidOf(id: number): number | undefined;
  /** What a worker had to say before it died. */
  lastWords(id: number): Pick<ReloadResult, 'stack' | 'log'>;
}

type Answer = (result: ReloadResult) => void;

export class Reloads {
  readonly #master: Reloadable;
  /** Who waits for a reading of the configuration that has not begun. */
  #asking: Answer[] = [];
  /** Who waits for the end of the rollout. */
  #waiting: Answer[] = [];
  #reading = false;
  #last: ReloadResult | undefined;

  constructor(master: Reloadable) {
    this.#master = master;
  }

  /** How the last one ended. */
  get last(): ReloadResult | undefined {
    return this.#last;
  }

  /** Begins one. Those that are asked for while the configuration is being read become one. */
  request(): Promise<ReloadResult> {
    const answered = new Promise<ReloadResult>((resolve) => this.#asking.push(resolve));
    if (!this.#reading) void this.#readAll();
    return answered;
  }

  /** Looks at a step of the core: when a rollout has ended, whoever waited for it is told. */
  watch(before: State, after: State): void {
    const end = after.lastRollout;
    if (!end || end === before.lastRollout || after.rollout) return;
    const { generation, outcome, startedAt, endedAt } = end;
    const words = end.worker === undefined ? {} : this.#master.lastWords(end.worker);
    this.#answer(this.#waiting.splice(0), {
      outcome,
      generation,
      message: outcomeText(end, after, this.#master.pidOf),
      ...words,
      durationMs: Math.round(endedAt - startedAt),
      at: new Date().toISOString(),
    });
  }

  async #readAll(): Promise<void> {
    this.#reading = true;
    while (this.#asking.length > 0) {
      const asked = this.#asking.splice(0);
      const begunAt = monotonicMs();
      try {
        await this.#begin(asked);
      } catch (error) {
        this.#refused(error, begunAt, asked);
      }
    }
    this.#reading = false;
  }

  async #begin(asked: Answer[]): Promise<void> {
    const { arbiter, generations, listeners, log } = this.#master;
    if (arbiter.state.goal.stop) throw new TsgunError('config', 'this instance is stopping');
    const { resolved: before } = generations.get(arbiter.state.goal.generation);
    const read = await rereadConfig(before.origin);
    for (const warning of unchangeable(before, read)) log.line('warn', warning, { event: 'warning' });
    const resolved = reloaded(before, read);
    const explicit = await listeners.bindAlso(resolved.config.bind);
    const { goal, servedGeneration } = arbiter.state;
    if (goal.stop) throw new TsgunError('config', 'this instance is stopping');
    const number = generations.add(resolved, explicit);
    listeners.keepExplicit(generations.listeners);
    const wanted = resolved.config.workers === before.config.workers ? undefined : resolved.config.workers;
    this.#waiting.push(...asked);
    arbiter.post({ type: 'reload', plan: planOf(resolved.config, number, wanted, goal.workers) });
    if (servedGeneration === 0) log.line('info', 'nothing has served yet: the new generation is started instead', {});
  }

  /** A configuration that is wrong changes nothing, and is one line; a defect of ours ends nobody who serves. */
  #refused(error: unknown, begunAt: number, asked: Answer[]): void {
    const { arbiter, generations, listeners, log } = this.#master;
    const known = error instanceof TsgunError;
    if (!known) {
      const stack = error instanceof Error ? String(error.stack) : String(error);
      log.line('error', 'this is a bug in tsgun, please report it with the stack', { event: 'bug', stack });
    }
    const { goal } = arbiter.state;
    if (!goal.stop) listeners.keepExplicit(generations.listeners);
    const why = known ? error.line : `a bug in tsgun: ${error}`;
    const message = goal.stop
      ? `reload failed: ${why}`
      : `reload failed: ${why}; generation ${goal.generation} serves on`;
    log.line('error', message, { event: 'rollout', outcome: 'failed', cause: known ? error.code : 'bug' });
    this.#answer(asked, {
      outcome: 'failed',
      message,
      durationMs: Math.round(monotonicMs() - begunAt),
      at: new Date().toISOString(),
    });
  }

  #answer(asked: Answer[], result: ReloadResult): void {
    this.#last = result;
    for (const answer of asked) answer(result);
  }
}
