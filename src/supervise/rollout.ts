/** How a new generation comes to serve: begun, proven, ended. None of it is a command. */
import type { Rollout, RolloutEnd, RolloutPlan, State, Worker } from './model.ts';
import { fillsSlot, isOutdated } from './slots.ts';

/** A newer one wins. Before anything has ever served, the new generation is simply what is started. */
export function beginRollout(state: State, plan: RolloutPlan, now: number): State {
  const { paused: _, ...goal } = state.goal;
  const rollout: Rollout = { ...plan, startedAt: now, failures: {} };
  if (state.servedGeneration > 0) return { ...state, goal, rollout };
  const { generation, workers = goal.workers } = plan;
  return { ...state, goal: { ...goal, generation, workers }, failures: {}, rollout };
}

/** Its workers are on trial beside the old ones, which replacements are still spawned from. */
export function isOnTrial({ goal, rollout }: State): boolean {
  return rollout !== undefined && rollout.generation !== goal.generation;
}

/** Those of an atomic rollout wait for each other. */
export function waitsForAll(worker: Worker, state: State): boolean {
  return isOnTrial(state) && state.rollout!.strategy === 'atomic' && worker.generation === state.rollout!.generation;
}

/** What has become true by itself: the canary has served long enough, or everybody is replaced. */
export function advanceRollout(state: State, now: number): State {
  const proven = isOnTrial(state) && hasProvedItself(state, now) ? prove(state) : state;
  const { rollout, goal } = proven;
  if (!rollout || isOnTrial(proven)) return proven;
  const slots = Array.from({ length: goal.workers }, (_, slot) => slot);
  const isServed = (slot: number): boolean =>
    proven.workers.some(
      (worker) => worker.slot === slot && worker.stage === 'serving' && worker.generation === rollout.generation,
    );
  const isWhole = slots.every(isServed) && !proven.workers.some((each) => isServing(each) && isOutdated(each, proven));
  return isWhole ? endRollout(proven, 'done', 'all workers were replaced', now) : proven;
}

const isServing = ({ stage }: Worker): boolean => stage === 'serving';

function hasProvedItself(state: State, now: number): boolean {
  const { generation, strategy } = state.rollout!;
  const newcomers = state.workers.filter((worker) => worker.generation === generation);
  if (strategy === 'rolling') return newcomers.some((worker) => isServing(worker) && provenAt(worker, state)! <= now);
  return wantedSlots(state).every((slot) =>
    newcomers.some((worker) => worker.slot === slot && worker.stage === 'standby'),
  );
}

/** The slots that the new generation is to fill. */
export function wantedSlots({ goal, rollout }: State): number[] {
  return Array.from({ length: rollout?.workers ?? goal.workers }, (_, slot) => slot);
}

/** When a canary that serves counts as proven; undefined: that is not what is waited for. */
export function provenAt(worker: Worker, state: State): number | undefined {
  const { rollout } = state;
  if (!isOnTrial(state) || rollout?.strategy !== 'rolling' || worker.generation !== rollout.generation)
    return undefined;
  return worker.servingAt === undefined ? undefined : worker.servingAt + rollout.minUptimeMs;
}

function prove(state: State): State {
  const rollout = state.rollout!;
  const workers = rollout.workers ?? state.goal.workers;
  return {
    ...state,
    goal: { ...state.goal, workers, generation: rollout.generation },
    failures: {},
    rollout: { ...rollout, proven: true },
  };
}

/** A worker of the rollout is gone before it was proven: all is as it was. */
export function failOnTrial(state: State, worker: Worker, reason: string, now: number): State {
  if (!isOnTrial(state) || worker.generation !== state.rollout!.generation) return state;
  return endRollout(state, 'failed', reason, now, worker.id);
}

/** A later worker of it failed, or died soon after it came to serve: it is tried again, so and so often. */
export function countFailure(state: State, worker: Worker, reason: string, now: number, stableMs: number): State {
  const { rollout } = state;
  if (!rollout || isOnTrial(state) || worker.generation !== rollout.generation) return state;
  if (worker.servingAt !== undefined && now - worker.servingAt >= stableMs) return state;
  const count = (rollout.failures[worker.slot] ?? 0) + 1;
  const counted = { ...state, rollout: { ...rollout, failures: { ...rollout.failures, [worker.slot]: count } } };
  return count >= rollout.attempts ? endRollout(counted, 'mixed', reason, now, worker.id) : counted;
}

export function endRollout(
  state: State,
  outcome: RolloutEnd['outcome'],
  reason: string,
  now: number,
  worker?: number,
): State {
  const { rollout, ...rest } = state;
  if (!rollout) return state;
  const { generation, startedAt } = rollout;
  const who = worker === undefined ? {} : { worker };
  return { ...rest, lastRollout: { generation, outcome, reason, startedAt, endedAt: now, ...who } };
}

/** How many fill their slot with the newest generation, of how many. */
export function progress(state: State): { current: number; of: number } {
  const { workers, goal } = state;
  const current = workers.filter(
    (worker) => isServing(worker) && worker.generation === goal.generation && fillsSlot(worker, state),
  );
  return { current: current.length, of: goal.workers };
}
