/**
 * The whole of supervision: `step(state, event, now, policy)`.
 *
 * Rules of this file and of its neighbours in supervise/:
 * - an event only records a fact (record.ts); only `reconcile` commands, and run twice in a row it is silent;
 * - no clock, no randomness, no I/O: time comes in as `now` and goes out as `wakeAt`;
 * - every effect that fails comes back as an event.
 */
import { type Draft, fillSlots, safeAt, tryNewGeneration } from './fill.ts';
import { retireAt } from './lifetime.ts';
import {
  type Command,
  type Event,
  isActive,
  mayHaveRequests,
  type Policy,
  type Stage,
  type State,
  type Step,
  type Worker,
} from './model.ts';
import { record } from './record.ts';
import { advanceRollout, provenAt, waitsForAll } from './rollout.ts';
import { fillsSlot, isCondemned, isEmptySlot, isOutdated, isSurplus } from './slots.ts';

export function step(state: State, event: Event, now: number, policy: Policy): Step {
  const { state: next, commands } = reconcile(record(state, event, now, policy), now, policy);
  return { state: next, commands, wakeAt: wakeAt(next, now, policy) };
}

/** Closes the gap between the goal and the workers: to a fixed point, since a rollout that ends makes way for others. */
export function reconcile(state: State, now: number, policy: Policy): { state: State; commands: Command[] } {
  const all: Command[] = [];
  for (let before = state; ; ) {
    const { state: after, commands } = pass(before, now, policy);
    all.push(...commands);
    if (commands.length === 0 && after.rollout === before.rollout) return { state: after, commands: all };
    before = after;
  }
}

function pass(state: State, now: number, policy: Policy): { state: State; commands: Command[] } {
  if (state.halted) return { state, commands: [] };
  const advanced = advanceRollout(state, now);
  const draft: Draft = {
    state: { ...advanced, workers: advanced.workers.map((worker) => ({ ...worker })) },
    commands: [],
    now,
    policy,
  };
  killOverdue(draft);
  const { stop, paused } = draft.state.goal;
  if (stop && stop.startsAt <= now) stopAll(draft);
  else if (paused) sendAway(draft, () => 'paused');
  else {
    retireAged(draft);
    sendAway(draft, (worker) => (isSurplus(worker, draft.state) ? 'scaled down' : undefined));
    sendAway(draft, (worker) => (isCondemned(worker, draft.state) ? 'its generation is not wanted' : undefined));
    drainReplaced(draft);
    fillSlots(draft);
    tryNewGeneration(draft);
    letListen(draft);
  }
  return { state: draft.state, commands: draft.commands };
}

/** What a worker gets whose stage has lasted too long. */
const overdue = {
  booting: 'boot timeout',
  standby: 'boot timeout',
  serving: 'hang',
  draining: 'graceful timeout',
  aborting: 'quick stop timeout',
  killed: 'still alive after SIGKILL',
} as const satisfies Record<Stage, string>;

function killOverdue(draft: Draft): void {
  for (const worker of draft.state.workers) {
    if (worker.deadline === null || worker.deadline > draft.now) continue;
    const cause = overdue[worker.stage];
    worker.cause ??= cause;
    if (isActive(worker)) worker.failed = true;
    worker.stage = 'killed';
    worker.deadline = draft.now + RE_KILL_MS;
    draft.commands.push({ type: 'kill', id: worker.id, cause });
  }
}

/** A process in uninterruptible sleep outlives SIGKILL; it is told again. */
const RE_KILL_MS = 5000;

function stopAll(draft: Draft): void {
  const { goal, workers } = draft.state;
  const stop = goal.stop!;
  if (!stop.begun) draft.state.goal = { ...goal, stop: { ...stop, begun: true } };
  for (const worker of workers) {
    const how = mayHaveRequests(worker) ? stop.how : 'quick';
    if (worker.stage === 'draining' ? stop.how === 'quick' : isActive(worker)) {
      drain(draft, worker, how, stop.reason, draft.policy.lingerStopMs);
    }
  }
  if (workers.length > 0) return;
  draft.state.halted = true;
  draft.commands.push({ type: 'halt', exitCode: stop.exitCode, reason: stop.reason });
}

function retireAged(draft: Draft): void {
  for (const worker of draft.state.workers) {
    const at = retireAt(worker, draft.state.seed, draft.policy);
    if (at !== undefined && at <= draft.now && fillsSlot(worker, draft.state)) worker.retiring = 'lifetime';
  }
}

/** As a stop of single workers: what serves drains, what does not goes at once. */
function sendAway(draft: Draft, why: (worker: Worker) => string | undefined): void {
  for (const worker of draft.state.workers) {
    const reason = isActive(worker) ? why(worker) : undefined;
    if (reason === undefined) continue;
    drain(draft, worker, mayHaveRequests(worker) ? 'graceful' : 'quick', reason, draft.policy.lingerMs);
  }
}

/** A worker that is to be replaced leaves when the one that takes its slot serves. */
function drainReplaced(draft: Draft): void {
  const { state } = draft;
  const successor = (worker: Worker): boolean =>
    state.workers.some((other) => other.slot === worker.slot && other.stage === 'serving' && fillsSlot(other, state));
  sendAway(draft, (worker) => {
    const reason = worker.retiring ?? (isOutdated(worker, state) ? 'reload' : undefined);
    return reason !== undefined && successor(worker) ? reason : undefined;
  });
}

function drain(draft: Draft, worker: Worker, how: 'graceful' | 'quick', reason: string, lingerMs: number): void {
  const { policy } = draft;
  const timeoutMs = how === 'graceful' ? policy.gracefulTimeoutMs : policy.quickTimeoutMs;
  worker.stage = how === 'graceful' ? 'draining' : 'aborting';
  // The worker keeps the limit by itself; the master comes in behind it.
  worker.deadline = draft.now + timeoutMs + policy.marginMs;
  draft.commands.push({
    type: 'drain',
    id: worker.id,
    how,
    reason,
    lingerMs: how === 'graceful' ? lingerMs : 0,
    timeoutMs,
    queue: draft.state.goal.stop?.begun ? 'take' : 'leave',
  });
}

function letListen(draft: Draft): void {
  for (const worker of draft.state.workers) {
    if (worker.stage !== 'standby' || worker.listenOrdered || waitsForAll(worker, draft.state)) continue;
    worker.listenOrdered = true;
    worker.deadline = draft.now + draft.policy.bootTimeoutMs;
    draft.commands.push({ type: 'listen', id: worker.id });
  }
}

function wakeAt(state: State, now: number, policy: Policy): number | null {
  if (state.halted) return null;
  const { goal, workers } = state;
  const times = workers.map(({ deadline }) => deadline ?? undefined);
  if (goal.stop && !goal.stop.begun) times.push(goal.stop.startsAt);
  if (!goal.stop?.begun && !goal.paused) {
    times.push(...emptySlotRetries(state));
    times.push(...workers.map((worker) => provenAt(worker, state)));
    times.push(safeAt(state, policy.stableMs));
    const filling = workers.filter((worker) => fillsSlot(worker, state));
    times.push(...filling.map((worker) => retireAt(worker, state.seed, policy)));
  }
  const coming = times.filter(
    (time) => time !== undefined && time !== Infinity && (time > now || workers.some((w) => w.deadline === time)),
  );
  return coming.length === 0 ? null : Math.min(...(coming as number[]));
}

function emptySlotRetries(state: State): number[] {
  return Object.entries(state.failures)
    .filter(([slot]) => Number(slot) < state.goal.workers && isEmptySlot(Number(slot), state))
    .map(([, failures]) => failures.retryAt);
}
