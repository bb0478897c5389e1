/** What must hold at every step of every world. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import {
  type Command,
  fillsSlot,
  isActive,
  type Policy,
  type State,
  type Worker,
} from '../../../src/supervise/model.ts';
import { reconcile, step } from '../../../src/supervise/step.ts';
import type { Moment } from './world.ts';

/** A tick later than this means that the master was stopped, and so that nobody could be heard. */
const LATE_MS = 1000;

export class Laws {
  readonly commands: Command[] = [];
  readonly #policy: Policy;
  readonly #backoff: BackoffBook;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#backoff = new BackoffBook(policy);
  }

  readonly watch = (moment: Moment): void => {
    this.#pure(moment);
    this.#numbers(moment);
    this.#nobodyForgotten(moment);
    this.#wakes(moment);
    for (const command of moment.step.commands) this.#command(command, moment);
    this.#backoff.note(moment);
    this.commands.push(...moment.step.commands);
  };

  /** Plain JSON, the same each time, and silent when nothing is left to do. The states are frozen by the world. */
  #pure({ before, event, now, step: { state, commands, wakeAt } }: Moment): void {
    const again = reconcile(state, now, this.#policy);
    expect(again.commands, 'reconcile is silent the second time').toEqual([]);
    expect(isDeepStrictEqual(again.state, state), 'the second reconcile changes nothing').toBe(true);
    expect(isDeepStrictEqual(JSON.parse(JSON.stringify(state)), state), 'the state is plain JSON').toBe(true);
    const twin = step(JSON.parse(JSON.stringify(before)) as State, event, now, this.#policy);
    expect(isDeepStrictEqual(twin, { state, commands, wakeAt }), 'the same input gives the same output').toBe(true);
  }

  #numbers({ before, step: { state } }: Moment): void {
    const { workers, goal } = state;
    const live = workers.filter(fillsSlot);
    expect(goal.workers, 'there is always a worker wanted').toBeGreaterThanOrEqual(1);
    expect(live.length, 'live workers stay within the goal').toBeLessThanOrEqual(goal.workers);
    expect(new Set(live.map(({ slot }) => slot)).size, 'a slot is filled once').toBe(live.length);
    if (state.servedGeneration === 0) expect(live.length, 'one canary goes first').toBeLessThanOrEqual(1);
    expect(state.nextId).toBeGreaterThanOrEqual(before.nextId);
    if (before.goal.stop) expect(state.goal.stop, 'a stop is never taken back').toBeDefined();
    if (before.goal.stop?.how === 'quick') expect(state.goal.stop?.how, 'a quick stop stays quick').toBe('quick');
    for (const worker of workers) {
      const earlier = before.workers.find(({ id }) => id === worker.id);
      if (earlier) expect(order(worker), 'a stage is never gone back').toBeGreaterThanOrEqual(order(earlier));
    }
  }

  /** Each slot has a worker, or the reason why not: it backs off, waits for the canary, or for one that was killed. */
  #nobodyForgotten({ now, step: { state } }: Moment): void {
    for (const slot of emptySlots(state))
      expect(state.failures[slot]?.retryAt, `slot ${slot} is empty, and nobody backs off`).toBeGreaterThan(now);
    const listening = state.workers.filter(({ stage }) => stage === 'standby').map((worker) => worker.listenOrdered);
    expect(listening.every(Boolean), 'who stands by is told to listen').toBe(true);
  }

  #wakes({ now, step: { state, wakeAt } }: Moment): void {
    if (state.halted) return expect(wakeAt, 'nothing is to come').toBeNull();
    const deadlines = state.workers.flatMap(({ deadline }) => deadline ?? []);
    for (const worker of state.workers.filter(({ stage }) => stage !== 'serving'))
      expect(worker.deadline, `${worker.stage} has a limit`).not.toBeNull();
    for (const deadline of deadlines) {
      expect(wakeAt, 'the deadline is not slept through').not.toBeNull();
      expect(wakeAt!).toBeLessThanOrEqual(deadline);
    }
    if (wakeAt !== null) expect(wakeAt, 'the timer does not spin').toBeGreaterThan(now);
    for (const slot of emptySlots(state)) {
      expect(wakeAt, `slot ${slot} is thought of`).not.toBeNull();
      expect(wakeAt!).toBeLessThanOrEqual(state.failures[slot]!.retryAt);
    }
  }

  #command(command: Command, { now, event, before, step: { state }, alive }: Moment): void {
    expect(before.halted, 'the halt is the last command').toBe(false);
    if (command.type === 'halt') {
      expect(alive.size, 'nobody is alive at the halt').toBe(0);
      expect(state.goal.stop).toMatchObject({ exitCode: command.exitCode, reason: command.reason });
      return;
    }
    if (command.type === 'spawn') {
      expect(state.goal.stop, 'nobody is spawned for a stop').toBeUndefined();
      expect(command.id, 'an id is never used again').toBeGreaterThanOrEqual(before.nextId);
      expect(state.failures[command.slot]?.retryAt ?? 0, 'backoff is respected').toBeLessThanOrEqual(now);
      this.#backoff.checkSpawn(command.slot, now);
      return;
    }
    expect(alive.has(command.id), `${command.type} is told to somebody`).toBe(true);
    const was = before.workers.find(({ id }) => id === command.id)!;
    const worker = state.workers.find(({ id }) => id === command.id)!;
    if (command.type === 'listen') expect(was.listenOrdered, 'it is told to listen once').toBeUndefined();
    if (command.type === 'drain') expect(maySend(worker, state), `worker ${worker.id} is needed`).toBe(true);
    if (command.type === 'kill') {
      const postponed = event.type === 'tick' && event.lateMs > LATE_MS && was.stage !== 'killed' ? event.lateMs : 0;
      expect(was.deadline, 'only who has a limit is killed').not.toBeNull();
      expect(was.deadline! + postponed, 'only who is overdue is killed').toBeLessThanOrEqual(now);
    }
  }
}

/** Slots that have a worker to come: not those behind the canary, nor those whose worker was killed and is not dead yet. */
function emptySlots(state: State): number[] {
  const held = (worker: Worker): boolean => fillsSlot(worker) || worker.stage === 'killed';
  if (state.goal.stop || (state.servedGeneration === 0 && state.workers.some(held))) return [];
  const slots = Array.from({ length: state.goal.workers }, (_, slot) => slot);
  return slots.filter((slot) => !state.workers.some((worker) => worker.slot === slot && held(worker)));
}

/** Who may be told to leave: all at a stop, who is too many, who was replaced. */
function maySend(worker: Worker, state: State): boolean {
  if (state.goal.stop || worker.slot >= state.goal.workers) return true;
  const replaced = state.workers.some(
    (other) => other !== worker && other.slot === worker.slot && other.stage === 'serving' && fillsSlot(other),
  );
  return worker.retiring !== undefined && replaced;
}

const stages = ['booting', 'standby', 'serving', 'draining', 'aborting', 'killed'] as const;
const order = (worker: Worker): number => stages.indexOf(worker.stage);

/** Keeps count of the deaths nobody asked for, by itself: from what was said to and by the workers alone. */
class BackoffBook {
  readonly #policy: Policy;
  readonly #slots = new Map<number, { count: number; diedAt: number }>();
  /** Workers that left by themselves or were told to. */
  readonly #leaving = new Set<number>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  checkSpawn(slot: number, now: number): void {
    const row = this.#slots.get(slot);
    if (!row || row.count < 2) return;
    const { backoffBaseMs, backoffCapMs } = this.#policy;
    const full = Math.min(backoffCapMs, backoffBaseMs * 2 ** (row.count - 2));
    expect(now - row.diedAt, `slot ${slot} waits after ${row.count} failures`).toBeGreaterThanOrEqual(full / 2 - 1);
  }

  note({ now, event, before, step: { state, commands } }: Moment): void {
    const worker = 'id' in event ? before.workers.find(({ id }) => id === event.id) : undefined;
    if (event.type === 'exited' && worker) this.#died(worker, now);
    if (event.type === 'leaving' && worker && isActive(worker)) this.#leaving.add(worker.id);
    for (const command of commands) if (command.type === 'drain') this.#leaving.add(command.id);
    for (const slot of this.#slots.keys()) if (slot >= state.goal.workers) this.#slots.delete(slot);
  }

  #died(worker: Worker, now: number): void {
    const served = worker.servingAt === undefined ? 0 : now - worker.servingAt;
    if (served >= this.#policy.stableMs) this.#slots.delete(worker.slot);
    if (this.#leaving.has(worker.id)) return;
    const count = (this.#slots.get(worker.slot)?.count ?? 0) + 1;
    this.#slots.set(worker.slot, { count, diedAt: now });
  }
}
