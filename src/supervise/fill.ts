/** Who is spawned, and when: for an empty slot, in place of a worker that is to be replaced, and on trial. */
import { type Command, isActive, type Policy, type State, type Worker } from './model.ts';
import { isOnTrial, wantedSlots } from './rollout.ts';
import { countExtra, fillsSlot, isEmptySlot } from './slots.ts';

/** What reconcile works on: a copy of the state, and the commands so far. */
export interface Draft {
  state: State & { workers: Worker[] };
  commands: Command[];
  now: number;
  policy: Policy;
}

/**
 * One worker for every slot that has none. As long as no worker has ever served there is one only, the canary: an
 * application that cannot load shows its stack once, and its first start is not slowed by its siblings. Where somebody
 * serves until he is replaced, there is a limit to how many are replaced at a time.
 */
export function fillSlots(draft: Draft): void {
  const { state, now } = draft;
  for (let slot = 0; slot < state.goal.workers; slot++) {
    if (state.servedGeneration === 0 && state.workers.some((each) => fillsSlot(each, state) || each.failed)) return;
    if (!isEmptySlot(slot, state) || (state.failures[slot]?.retryAt ?? 0) > now) continue;
    const occupied = state.workers.some(
      (worker) => worker.slot === slot && isActive(worker) && worker.generation <= state.goal.generation,
    );
    if (!occupied || mayReplace(draft)) spawn(draft, slot, state.goal.generation);
  }
}

/** Recycling goes one by one, and waits for a rollout that is under way. */
function mayReplace({ state, now, policy }: Draft): boolean {
  const { rollout } = state;
  if (!rollout) return countExtra(state) < 1;
  if (isOnTrial(state) || safeAt(state, policy.stableMs) > now) return false;
  const draining = state.workers.filter(({ stage }) => stage === 'draining').length;
  return draining < rollout.maxDraining && countExtra(state) < rollout.surge;
}

/** When the slots in which the rollout has failed are in good hands; until then no other worker is given up for it. */
export function safeAt({ rollout, workers }: State, stableMs: number): number {
  const times = Object.keys(rollout?.failures ?? {}).map((slot) => {
    const serving = workers.filter((worker) => worker.slot === Number(slot) && worker.stage === 'serving');
    if (serving.some(({ generation }) => generation !== rollout!.generation)) return 0;
    return Math.min(...serving.map(({ servingAt = Infinity }) => servingAt + stableMs));
  });
  return Math.max(0, ...times);
}

/** The canary; of an atomic rollout also the others, once it is in standby. */
export function tryNewGeneration(draft: Draft): void {
  const { state } = draft;
  if (!isOnTrial(state)) return;
  const { generation, strategy, surge } = state.rollout!;
  const newcomers = (): Worker[] => state.workers.filter((worker) => worker.generation === generation);
  if (newcomers().length === 0 && countExtra(state) < surge) spawn(draft, 0, generation);
  if (strategy === 'rolling' || !newcomers().some(({ stage }) => stage === 'standby')) return;
  for (const slot of wantedSlots(state)) {
    if (newcomers().filter(({ stage }) => stage === 'booting').length >= surge) return;
    if (!newcomers().some((worker) => worker.slot === slot)) spawn(draft, slot, generation);
  }
}

function spawn(draft: Draft, slot: number, generation: number): void {
  const { state, now, policy } = draft;
  const { rollout } = state;
  const id = state.nextId++;
  const bootTimeoutMs = rollout?.generation === generation ? rollout.bootTimeoutMs : policy.bootTimeoutMs;
  state.workers.push({ id, slot, generation, stage: 'booting', bornAt: now, deadline: now + bootTimeoutMs });
  draft.commands.push({ type: 'spawn', id, slot, generation });
}
