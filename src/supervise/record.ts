import { afterFailure, unitFrom } from './backoff.ts';
import { type Event, isActive, type Policy, type State, type Stop, type Worker } from './model.ts';

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
      return recordFailed(state, event);
    case 'exited':
      return recordExited(state, event, now, policy);
    case 'scale':
      return recordScale(state, event.by);
    case 'stop':
      return { ...state, goal: { ...state.goal, stop: stronger(state.goal.stop, event) } };
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
function recordFailed(state: State, event: Extract<Event, { type: 'failed' }>): State {
  if (!state.workers.some((worker) => worker.id === event.id)) return state;
  const failed = change(state, event.id, (worker) => ({ ...worker, cause: worker.cause ?? event.reason }));
  return state.servedGeneration === 0 ? giveUp(failed, event.exitCode, event.reason) : failed;
}

function recordExited(state: State, event: Extract<Event, { type: 'exited' }>, now: number, policy: Policy): State {
  const worker = state.workers.find((each) => each.id === event.id);
  if (!worker) return state;
  const without = { ...state, workers: state.workers.filter((each) => each !== worker) };
  const servedMs = worker.servingAt === undefined ? 0 : now - worker.servingAt;
  if (worker.slot >= state.goal.workers) return without;
  if (!isFailure(worker)) return servedMs >= policy.stableMs ? withoutFailures(without, worker.slot) : without;
  const unit = unitFrom(state.seed, worker.id);
  const slotFailures = afterFailure(state.failures[worker.slot], servedMs, now, unit, policy);
  const failed = { ...without, failures: { ...without.failures, [worker.slot]: slotFailures } };
  return state.servedGeneration === 0 ? giveUp(failed, BOOT_FAILED, 'the application failed to boot') : failed;
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

function giveUp(state: State, exitCode: number, reason: string): State {
  return { ...state, goal: { ...state.goal, stop: state.goal.stop ?? { how: 'quick', reason, exitCode } } };
}

function recordScale(state: State, by: number): State {
  const workers = Math.max(1, state.goal.workers + by);
  const failures = Object.fromEntries(Object.entries(state.failures).filter(([slot]) => Number(slot) < workers));
  return { ...state, goal: { ...state.goal, workers }, failures };
}

function stronger(present: Stop | undefined, next: Stop): Stop {
  const { how, reason, exitCode } = next;
  if (!present) return { how, reason, exitCode };
  return present.how === 'graceful' && how === 'quick' ? { ...present, how } : present;
}
