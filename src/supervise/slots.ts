/** Which worker fills its slot, and which is there only until another does. */
import { isActive, mayHaveRequests, type State, type Worker } from './model.ts';

/**
 * Of an older generation, and to be replaced: by the rollout that is under way, or by the worker of the new generation that
 * is there already. What a mixed rollout left behind is not: it serves on.
 */
export function isOutdated(worker: Worker, state: State): boolean {
  const { goal, rollout, workers } = state;
  if (worker.generation >= goal.generation) return false;
  if (rollout?.proven || rollout?.generation === goal.generation) return true;
  return workers.some((other) => other.slot === worker.slot && fits(other, goal.generation));
}

/** Neither leaving nor asked to, and not of a generation that has yet to prove itself. */
export function fillsSlot(worker: Worker, state: State): boolean {
  return fits(worker, worker.generation) && worker.generation <= state.goal.generation && !isOutdated(worker, state);
}

/** Nobody waits for it: of a generation that failed or was overtaken, or of an old one and not serving yet. */
export function isCondemned(worker: Worker, { goal, rollout }: State): boolean {
  if (!isActive(worker) || worker.generation === rollout?.generation) return false;
  return worker.generation > goal.generation || (worker.generation < goal.generation && !mayHaveRequests(worker));
}

/** Its slot is beyond those that its generation has or will have. */
export function isSurplus({ slot, generation }: Worker, { goal, rollout }: State): boolean {
  const later = rollout?.generation === generation ? rollout.workers : undefined;
  return slot >= Math.max(goal.workers, later ?? 0);
}

/** How many active workers there are beyond one for each slot. */
export function countExtra({ workers }: State): number {
  const active = workers.filter(isActive);
  return active.length - new Set(active.map(({ slot }) => slot)).size;
}

export function isEmptySlot(slot: number, state: State): boolean {
  return !state.workers.some((worker) => worker.slot === slot && fillsSlot(worker, state));
}

function fits(worker: Worker, generation: number): boolean {
  return isActive(worker) && worker.retiring === undefined && worker.generation === generation;
}
