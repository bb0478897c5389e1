/** What must hold at every step of every world. */
import { isDeepStrictEqual } from 'node:util';
import { retireAt } from '../../../src/supervise/lifetime.ts';
import { type Command, isActive, type Policy, type State, type Worker } from '../../../src/supervise/model.ts';
import { isOnTrial, provenAt, waitsForAll, wantedSlots } from '../../../src/supervise/rollout.ts';
import { countExtra, fillsSlot } from '../../../src/supervise/slots.ts';
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

  /** @throws Error that names the law which this step breaks */
  readonly watch = (moment: Moment): void => {
    try {
      this.#pure(moment);
      this.#numbers(moment);
      this.#rollout(moment);
      this.#backoff.noteEvent(moment);
      this.#nobodyForgotten(moment);
      for (const command of moment.step.commands) this.#command(command, moment);
      this.#backoff.noteCommands(moment);
      this.commands.push(...moment.step.commands);
    } catch (error) {
      throw new Error(`${(error as Error).message}, at ${JSON.stringify(moment, null, 1)}`);
    }
  };

  /** Plain JSON, the same each time, and silent when nothing is left to do. The world freezes what it passes in. */
  #pure({ before, event, now, step: { state, commands, wakeAt } }: Moment): void {
    const again = reconcile(state, now, this.#policy);
    must(again.commands.length === 0, `reconcile commands nothing the second time (${again.commands[0]?.type})`);
    must(isDeepStrictEqual(again.state, state), 'reconcile changes nothing the second time');
    must(isDeepStrictEqual(JSON.parse(JSON.stringify(state)), state), 'the state is plain JSON');
    const twin = step(JSON.parse(JSON.stringify(before)) as State, event, now, this.#policy);
    must(isDeepStrictEqual(twin, { state, commands, wakeAt }), 'the same input gives the same output');
    if (!('id' in event) || before.workers.some(({ id }) => id === event.id)) return;
    const without = reconcile(before, now, this.#policy);
    must(isDeepStrictEqual(without, { state, commands }), `"${event.type}" of nobody changes nothing`);
  }

  #numbers({ before, step: { state } }: Moment): void {
    const { workers, goal } = state;
    const live = workers.filter((worker) => fillsSlot(worker, state));
    must(goal.workers >= 1, 'there is always a worker wanted');
    must(live.length <= goal.workers, 'live workers stay within the goal');
    must(new Set(live.map(({ slot }) => slot)).size === live.length, 'a slot is filled once');
    must(state.servedGeneration > 0 || live.length <= 1, 'one canary goes first');
    must(before.goal.stop === undefined || state.goal.stop !== undefined, 'a stop is never taken back');
    must(before.goal.stop?.how !== 'quick' || state.goal.stop?.how === 'quick', 'a quick stop stays quick');
    for (const worker of workers) {
      const earlier = before.workers.find(({ id }) => id === worker.id);
      must(!earlier || rank(worker) >= rank(earlier), 'a stage is never gone back to');
      const waits = waitsForAll(worker, state) && worker.stage === 'standby';
      const delayed = goal.stop !== undefined && worker.stage === 'standby';
      must(worker.stage !== 'standby' || worker.listenOrdered === true || waits, 'who stands by is told to listen');
      must(worker.stage === 'serving' || worker.deadline !== null || waits || delayed, `${worker.stage} has a limit`);
    }
  }

  /** What fails changes nothing; what is done is whole; what is neither goes on. */
  #rollout({ before, event, now, step: { state, commands } }: Moment): void {
    const { lastRollout: end, goal, rollout, workers } = state;
    const halting = goal.stop !== undefined || goal.paused === true;
    if (end && end !== before.lastRollout) {
      if (end.outcome === 'failed' && !halting)
        must(goal.generation === before.goal.generation, 'a rollout that fails leaves the generation as it was');
      if (end.outcome === 'done')
        must(
          wantedSlots(state).every((slot) => workers.some((w) => w.slot === slot && w.generation === end.generation)),
          'a rollout is done when every slot has the new generation',
        );
    }
    must(!rollout || !halting || rollout === undefined, 'a stop or a pause ends a rollout');
    must(!(goal.paused || goal.stop?.begun) || !workers.some(isActive), 'nobody is active in a pause or a stop');
    const intoOccupied = commands.some(
      (command) =>
        command.type === 'spawn' && workers.some((w) => w.slot === command.slot && w.id !== command.id && isActive(w)),
    );
    if (intoOccupied) {
      // An atomic one is a second set of workers; a recycled one's replacement may have been on its way before.
      const whole = wantedSlots(state).length + 1;
      const limit = rollout?.strategy === 'atomic' ? Math.max(whole, rollout.surge) : (rollout?.surge ?? 1);
      must(countExtra(state) <= limit, 'live workers stay within the goal and the surge');
    }
    const servedBefore = before.workers.filter(({ stage }) => stage === 'serving').length;
    const serving = workers.filter(({ stage }) => stage === 'serving').length;
    const lost = event.type === 'exited' || event.type === 'leaving' || event.type === 'tick' ? 1 : 0;
    if (!halting && event.type !== 'scale' && lost === 0)
      must(
        serving >= Math.min(servedBefore, goal.workers, before.goal.workers),
        'no command takes capacity away that is wanted',
      );
    must(now >= 0, 'time goes on');
  }

  /** An empty slot backs off, and the master wakes up for it and for every deadline. */
  #nobodyForgotten({ now, step: { state, wakeAt } }: Moment): void {
    if (state.halted) return must(wakeAt === null, 'after the halt there is nothing to wake up for');
    must(wakeAt === null || wakeAt > now, 'the timer does not spin');
    for (const { deadline } of state.workers)
      must(deadline === null || (wakeAt !== null && wakeAt <= deadline), 'no deadline is slept through');
    const { stop, paused } = state.goal;
    const times = state.workers.flatMap((worker) => [
      provenAt(worker, state),
      fillsSlot(worker, state) ? retireAt(worker, state.seed, this.#policy) : undefined,
    ]);
    if (stop && !stop.begun) times.push(stop.startsAt);
    for (const time of stop?.begun || paused ? [] : times)
      must(
        time === undefined || time <= now || (wakeAt !== null && wakeAt <= time),
        'no moment of its own is slept through',
      );
    for (const slot of emptySlots(state)) {
      const retryAt = state.failures[slot]?.retryAt ?? 0;
      must(retryAt > now, `slot ${slot} is empty only while it backs off`);
      must(retryAt <= this.#backoff.latestTry(slot), `slot ${slot} waits no longer than its failures in a row demand`);
      must(wakeAt !== null && wakeAt <= retryAt, `the next try in slot ${slot} is not slept through`);
    }
  }

  #command(command: Command, { now, event, before, step: { state }, alive }: Moment): void {
    must(!before.halted, 'the halt is the last command');
    if (command.type === 'halt') {
      const { stop } = state.goal;
      must(alive.size === 0, 'nobody is alive at the halt');
      return must(
        stop?.exitCode === command.exitCode && stop.reason === command.reason,
        'a halt ends as its stop demands',
      );
    }
    if (command.type === 'spawn') {
      must(!state.goal.stop?.begun && !state.goal.paused, 'nobody is spawned during a stop or a pause');
      must(command.id >= before.nextId && command.id < state.nextId, 'an id is never used again');
      const { servedGeneration, rollout } = state;
      must(
        command.generation <= servedGeneration || servedGeneration === 0 || command.generation === rollout?.generation,
        'replacements come from a generation that has served',
      );
      if (isOnTrial(state) && command.generation === rollout?.generation) return;
      must((state.failures[command.slot]?.retryAt ?? 0) <= now, 'nobody is spawned before retryAt');
      return this.#backoff.checkSpawn(command.slot, now);
    }
    const was = before.workers.find(({ id }) => id === command.id);
    const worker = state.workers.find(({ id }) => id === command.id);
    if (!alive.has(command.id) || !was || !worker) throw new Error(`${command.type} is told to nobody`);
    if (command.type === 'listen') must(was.listenOrdered === undefined, 'it is told to listen once');
    if (command.type === 'drain') {
      must(mayBeSent(was, worker, state), 'a needed worker is never told to leave');
      const mayHaveRequests = was.stage === 'serving' || was.stage === 'draining' || was.listenOrdered === true;
      must(
        command.how === 'graceful' || state.goal.stop?.how === 'quick' || !mayHaveRequests,
        'who may have requests finishes them, but for a quick stop',
      );
    }
    if (command.type === 'kill') {
      const late = event.type === 'tick' && event.lateMs > LATE_MS;
      must(was.deadline !== null && was.deadline <= now, 'only who is overdue is killed');
      must(!late || was.stage === 'killed', 'nobody is killed who could not be heard');
    }
  }
}

function must(holds: boolean, law: string): void {
  if (!holds) throw new Error(`broken law: ${law}`);
}

/** Slots that nobody is in, but those behind a canary: one that was killed decides with its death what comes next. */
function emptySlots(state: State): number[] {
  const canary = (worker: Worker): boolean => fillsSlot(worker, state) || worker.failed === true;
  if (state.goal.stop?.begun || state.goal.paused) return [];
  if (state.servedGeneration === 0 && state.workers.some(canary)) return [];
  const slots = Array.from({ length: state.goal.workers }, (_, slot) => slot);
  const isIn = (worker: Worker): boolean => isActive(worker) && worker.generation <= state.goal.generation;
  return slots.filter((slot) => !state.workers.some((worker) => worker.slot === slot && isIn(worker)));
}

/** All at a stop or in a pause, who is one too many, who was replaced, and whose generation nobody waits for. */
function mayBeSent(was: Worker, worker: Worker, state: State): boolean {
  const { goal, rollout } = state;
  const { generation } = worker;
  const slots = generation === rollout?.generation ? Math.max(goal.workers, rollout.workers ?? 0) : goal.workers;
  if (goal.stop?.begun || goal.paused || worker.slot >= slots) return true;
  if (generation > goal.generation) return generation !== rollout?.generation;
  if (generation < goal.generation && was.stage !== 'serving' && !was.listenOrdered) return true;
  const replaced = state.workers.some(
    (other) => other !== worker && other.slot === worker.slot && other.stage === 'serving' && fillsSlot(other, state),
  );
  return replaced && (worker.retiring !== undefined || generation < goal.generation);
}

const rank = ({ stage }: Worker): number =>
  ['booting', 'standby', 'serving', 'draining', 'aborting', 'killed'].indexOf(stage);

/** Keeps count of the deaths nobody asked for by itself: from what was said to and by the workers alone. */
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
    if (!row) return;
    must(
      now - row.diedAt >= this.#fullMs(row.count) / 2 - 1,
      `slot ${slot} waits after ${row.count} failures in a row`,
    );
  }

  latestTry(slot: number): number {
    const row = this.#slots.get(slot);
    return row ? row.diedAt + this.#fullMs(row.count) : 0;
  }

  /** None after the first failure, then doubling up to the cap; between half and all of it is waited. */
  #fullMs(count: number): number {
    const { backoffBaseMs, backoffCapMs } = this.#policy;
    return count < 2 ? 0 : Math.min(backoffCapMs, backoffBaseMs * 2 ** (count - 2));
  }

  /** A death counts before what is commanded because of it. */
  noteEvent({ now, event, before, step: { state } }: Moment): void {
    const worker = 'id' in event ? before.workers.find(({ id }) => id === event.id) : undefined;
    const onTrial = isOnTrial(before) && worker?.generation === before.rollout?.generation;
    if (event.type === 'exited' && worker && !onTrial) this.#died(worker, now);
    // New code has no failures behind it.
    if (state.goal.generation !== before.goal.generation) this.#slots.clear();
    if (event.type === 'leaving' && worker && isActive(worker)) this.#leaving.add(worker.id);
    for (const slot of this.#slots.keys()) if (slot >= state.goal.workers) this.#slots.delete(slot);
  }

  noteCommands({ step: { commands } }: Moment): void {
    for (const command of commands) if (command.type === 'drain') this.#leaving.add(command.id);
  }

  #died(worker: Worker, now: number): void {
    const servedMs = worker.servingAt === undefined ? 0 : now - worker.servingAt;
    if (servedMs >= this.#policy.stableMs) this.#slots.delete(worker.slot);
    if (this.#leaving.has(worker.id)) return;
    const count = (this.#slots.get(worker.slot)?.count ?? 0) + 1;
    this.#slots.set(worker.slot, { count, diedAt: now });
  }
}
