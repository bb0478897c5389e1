/**
 * The whole of supervision: `step(state, event, now, policy)`.
 *
 * Rules of this file and of its neighbours in supervise/:
 * - an event only records a fact (record.ts); only `reconcile` commands, and run twice in a row it is silent;
 * - no clock, no randomness, no I/O: time comes in as `now` and goes out as `wakeAt`;
 * - every effect that fails comes back as an event.
 */
import {
  type Command,
  type Event,
  fillsSlot,
  isActive,
  type Policy,
  type Stage,
  type State,
  type Step,
  type Worker,
} from './model.ts';
import { record } from './record.ts';

export function step(state: State, event: Event, now: number, policy: Policy): Step {
  const { state: next, commands } = reconcile(record(state, event, now, policy), now, policy);
  return { state: next, commands, wakeAt: wakeAt(next) };
}

/** What reconcile works on: a copy of the state, and the commands so far. */
interface Draft {
  state: State & { workers: Worker[] };
  commands: Command[];
  now: number;
  policy: Policy;
}

/** Closes the gap between the goal and the workers. */
export function reconcile(state: State, now: number, policy: Policy): { state: State; commands: Command[] } {
  if (state.halted) return { state, commands: [] };
  const draft: Draft = {
    state: { ...state, workers: state.workers.map((worker) => ({ ...worker })) },
    commands: [],
    now,
    policy,
  };
  killOverdue(draft);
  if (draft.state.goal.stop) stopAll(draft);
  else {
    drainSurplus(draft);
    drainRetired(draft);
    fillSlots(draft);
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

function drainSurplus(draft: Draft): void {
  for (const worker of draft.state.workers) {
    if (worker.slot < draft.state.goal.workers || !isActive(worker)) continue;
    leave(draft, worker, 'scaled down');
  }
}

/** A worker that asked to be replaced leaves when the one that takes its slot serves. */
function drainRetired(draft: Draft): void {
  for (const worker of draft.state.workers) {
    if (worker.retiring === undefined || !isActive(worker)) continue;
    const replaced = draft.state.workers.some(
      (other) => other.slot === worker.slot && other.stage === 'serving' && fillsSlot(other),
    );
    if (replaced) leave(draft, worker, worker.retiring);
  }
}

/** As a stop of this one worker: what serves drains, what does not goes at once. */
function leave(draft: Draft, worker: Worker, reason: string): void {
  drain(draft, worker, mayHaveRequests(worker) ? 'graceful' : 'quick', reason, draft.policy.lingerMs);
}

/** A worker accepts as soon as it is told to listen; its word that it serves comes later. */
function mayHaveRequests(worker: Worker): boolean {
  return worker.stage === 'serving' || worker.listenOrdered === true;
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
  });
}

/**
 * One worker for every slot that has none. As long as no worker has ever served there is one only, the canary: an
 * application that cannot load shows its stack once, and its first start is not slowed by its siblings.
 */
function fillSlots(draft: Draft): void {
  const { state, now } = draft;
  for (let slot = 0; slot < state.goal.workers; slot++) {
    if (state.servedGeneration === 0 && state.workers.some((worker) => fillsSlot(worker) || worker.failed)) return;
    if (state.workers.some((worker) => worker.slot === slot && fillsSlot(worker))) continue;
    if ((state.failures[slot]?.retryAt ?? 0) > now) continue;
    const id = state.nextId++;
    const { generation } = state.goal;
    state.workers.push({
      id,
      slot,
      generation,
      stage: 'booting',
      bornAt: now,
      deadline: now + draft.policy.bootTimeoutMs,
    });
    draft.commands.push({ type: 'spawn', id, slot, generation });
  }
}

function letListen(draft: Draft): void {
  for (const worker of draft.state.workers) {
    if (worker.stage !== 'standby' || worker.listenOrdered) continue;
    worker.listenOrdered = true;
    worker.deadline = draft.now + draft.policy.bootTimeoutMs;
    draft.commands.push({ type: 'listen', id: worker.id });
  }
}

function wakeAt(state: State): number | null {
  if (state.halted) return null;
  const times = state.workers.flatMap((worker) => (worker.deadline === null ? [] : [worker.deadline]));
  if (!state.goal.stop) times.push(...emptySlotRetries(state));
  return times.length === 0 ? null : Math.min(...times);
}

function emptySlotRetries(state: State): number[] {
  return Object.entries(state.failures)
    .filter(([slot]) => Number(slot) < state.goal.workers)
    .filter(([slot]) => !state.workers.some((worker) => worker.slot === Number(slot) && fillsSlot(worker)))
    .map(([, failures]) => failures.retryAt);
}
