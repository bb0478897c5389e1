import { afterFailure, unitFrom } from './backoff.ts';
import { type Event, isActive, type Policy, type State, type Stop, type Worker } from './model.ts';
import { beginRollout, countFailure, endRollout, failOnTrial, isOnTrial } from './rollout.ts';

/** Writes down what has happened, and decides nothing else. */
export function record(state: State, event: Event, now: number, policy: Policy): State {
  switch (event.type) {
    case 'tick':
      return event.lateMs > LATE_MS ? postpone(state, event.lateMs, now) : state;
    case 'loaded':
      return change(state, event.id, (worker) =>
        worker.stage === 'booting' ? { ...worker, stage: 'standby', deadline: null } : worker,
      );
    case 'serving':
      return recordServing(state, event.id, now);
    case 'leaving':
      return change(state, event.id, (worker) =>
        isActive(worker)
          ? {
              ...worker,
              stage: 'draining',
              cause: worker.cause ?? event.reason,
              deadline: now + policy.gracefulTimeoutMs + policy.marginMs,
            }
          : worker,
      );
    case 'retiring':
      return change(state, event.id, (worker) =>
        isActive(worker) ? { ...worker, retiring: worker.retiring ?? event.reason } : worker,
      );
    case 'failed':
      return recordFailed(state, event, now);
    case 'exited':
      return recordExited(state, event, now, policy);
    case 'scale':
      return recordScale(state, event.by);
    case 'pause':
      if (state.goal.stop || state.goal.paused) return state;
      return { ...endRollout(state, 'failed', event.reason, now), goal: { ...state.goal, paused: true } };
    case 'reload':
      return state.goal.stop ? state : beginRollout(state, event.plan, now);
    case 'stop':
      return recordStop(state, event, now, policy);
  }
}

/** A tick that comes later than this means that the master did not run, so nobody could be heard. */
const LATE_MS = 1000;

/** What was said meanwhile is read after this tick: whose deadline it came for gets time to be heard, too. */
function postpone(state: State, lateMs: number, now: number): State {
  return {
    ...state,
    workers: state.workers.map((worker) =>
      worker.deadline === null || worker.stage === 'killed'
        ? worker
        : { ...worker, deadline: Math.max(worker.deadline + lateMs, now + LATE_MS) },
    ),
  };
}

function change(state: State, id: number, update: (worker: Worker) => Worker): State {
  return { ...state, workers: state.workers.map((worker) => (worker.id === id ? update(worker) : worker)) };
}

function recordServing(state: State, id: number, now: number): State {
  const worker = state.workers.find((each) => each.id === id);
  if (worker?.stage !== 'standby') return state;
  const serving = change(state, id, (each) => ({ ...each, stage: 'serving', servingAt: now, deadline: null }));
  return { ...serving, servedGeneration: Math.max(state.servedGeneration, worker.generation) };
}

/** The worker says that it cannot become ready, and exits. Before anything ever served, that is the end of the start. */
function recordFailed(state: State, event: Extract<Event, { type: 'failed' }>, now: number): State {
  const worker = state.workers.find((each) => each.id === event.id);
  if (!worker) return state;
  const failed = change(state, event.id, (each) => ({ ...each, cause: each.cause ?? event.reason }));
  return isStart(worker, state) ? giveUp(failed, event.exitCode, event.reason, now) : failed;
}

/** The start depends on it: nothing has served yet, and no reload has put another generation in its place. */
function isStart({ generation }: Worker, { servedGeneration, goal }: State): boolean {
  return servedGeneration === 0 && generation === goal.generation;
}

function recordExited(state: State, event: Extract<Event, { type: 'exited' }>, now: number, policy: Policy): State {
  const worker = state.workers.find((each) => each.id === event.id);
  if (!worker) return state;
  const without = { ...state, workers: state.workers.filter((each) => each !== worker) };
  const reason = causeOf(worker, event);
  if (isOnTrial(state) && worker.generation === state.rollout?.generation)
    return failOnTrial(without, worker, reason, now);
  const servedMs = worker.servingAt === undefined ? 0 : now - worker.servingAt;
  if (worker.slot >= state.goal.workers) return without;
  if (!isFailure(worker)) return servedMs >= policy.stableMs ? withoutFailures(without, worker.slot) : without;
  const unit = unitFrom(state.seed, worker.id);
  const slotFailures = afterFailure(state.failures[worker.slot], servedMs, now, unit, policy);
  const failed = { ...without, failures: { ...without.failures, [worker.slot]: slotFailures } };
  if (isStart(worker, state)) return giveUp(failed, BOOT_FAILED, 'the application failed to boot', now);
  return countFailure(failed, worker, reason, now, policy.stableMs);
}

/** Why a worker died, in a few words: what it said itself, else how it ended. */
export function causeOf(worker: Worker, event: Extract<Event, { type: 'exited' }>): string {
  const how = event.signal ? `signal ${event.signal}` : `exit code ${event.code}`;
  return worker.cause ?? event.words ?? event.detail ?? how;
}

/** A worker that was stable ends the row of failures of its slot, also when it leaves in good order. */
function withoutFailures(state: State, slot: number): State {
  const { [slot]: _, ...failures } = state.failures;
  return { ...state, failures };
}

/** A death that nobody asked for: it was to serve, or it was killed because it never came to. */
export function isFailure(worker: Worker): boolean {
  return isActive(worker) || worker.failed === true;
}

/** Exit code of Gunicorn's WORKER_BOOT_ERROR. */
const BOOT_FAILED = 3;

function giveUp(state: State, exitCode: number, reason: string, now: number): State {
  const { stop = { how: 'quick', reason, exitCode, startsAt: now } } = state.goal;
  return { ...endRollout(state, 'failed', reason, now), goal: { ...state.goal, stop } };
}

/** One more brings a paused master back, as it was. */
function recordScale(state: State, by: number): State {
  const { paused, ...goal } = state.goal;
  if (paused) return by > 0 ? { ...state, goal } : state;
  const workers = Math.max(1, goal.workers + by);
  const failures = Object.fromEntries(Object.entries(state.failures).filter(([slot]) => Number(slot) < workers));
  const { rollout } = state;
  if (!rollout?.workers) return { ...state, goal: { ...goal, workers }, failures };
  const later = { ...rollout, workers: Math.max(1, rollout.workers + by) };
  return { ...state, goal: { ...goal, workers }, failures, rollout: later };
}

function recordStop(state: State, event: Extract<Event, { type: 'stop' }>, now: number, policy: Policy): State {
  const present = state.goal.stop;
  if (present && !(present.how === 'graceful' && event.how === 'quick')) return state;
  const { how, reason, exitCode } = event;
  // A stop that has no requests to turn away, or is in a hurry, begins at once.
  const waits = how === 'graceful' && exitCode === 0 && state.workers.some(({ stage }) => stage === 'serving');
  const startsAt = waits ? now + policy.drainDelayMs : now;
  const stop: Stop = present ? { ...present, how, startsAt } : { how, reason, exitCode, startsAt };
  return { ...endRollout(state, 'failed', reason, now), goal: { ...state.goal, stop } };
}
