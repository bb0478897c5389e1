/**
 * The nouns of supervision. All of it is plain JSON: it can be dumped, shown and handed to a new master.
 *
 * booting ──loaded──▶ standby ──listen──▶ serving ──drain──▶ draining ──▶ (exited)
 *    └──────────────── told to leave at once ──▶ aborting ──overdue──▶ killed ──▶ (exited)
 */
export type Stage = 'booting' | 'standby' | 'serving' | 'draining' | 'aborting' | 'killed';

export interface Worker {
  /** Never reused; a lower one is older. Pids live in the shell. */
  id: number;
  /** The worker's place, 0 … goal.workers - 1; its replacement has the same one. */
  slot: number;
  generation: number;
  stage: Stage;
  /** When it was spawned, milliseconds on the master's monotonic clock, like every time here. */
  bornAt: number;
  /** When it began to serve. */
  servingAt?: number;
  /** When its present stage is overdue; null: never. */
  deadline: number | null;
  /** It was told to leave standby. */
  listenOrdered?: true;
  /** Asked to be replaced, with a reason; it serves until its replacement does. */
  retiring?: string;
  /** Why it is ending, the first cause wins. */
  cause?: string;
  /** It was killed although it was wanted: it took too long to boot, or hung. */
  failed?: true;
}

export interface Goal {
  workers: number;
  /** What replacements are spawned from: the newest generation that has proved itself. */
  generation: number;
  /** No workers for now; the sockets stay. */
  paused?: true;
  stop?: Stop;
}

/** graceful: finish the requests; quick: leave at once. A weaker stop never overrides a stronger one. */
export interface Stop {
  how: 'graceful' | 'quick';
  reason: string;
  exitCode: number;
  /** Until then all goes on as before, so that load balancers can turn away (`--drain-delay`). */
  startsAt: number;
  /** It has come to the workers. */
  begun?: true;
}

/** How a new generation is to take the place of the old one. */
export interface RolloutPlan {
  generation: number;
  /** rolling: one by one, after the canary · atomic: all at once, when all are there. */
  strategy: 'rolling' | 'atomic';
  /** How many workers beyond the goal there may be meanwhile (rolling), or be booting at a time (atomic). */
  surge: number;
  /** With so many workers draining, no further one is replaced. */
  maxDraining: number;
  /** After so many failures in a slot, once the canary has proved itself, the outcome is `mixed`. */
  attempts: number;
  /** How long the canary has to serve before it counts as proven. */
  minUptimeMs: number;
  bootTimeoutMs: number;
  /** How many workers there are to be from then on, where that changes. */
  workers?: number;
}

export interface Rollout extends RolloutPlan {
  startedAt: number;
  /** The canary has served (rolling), or all are there (atomic): there is no way back. */
  proven?: true;
  /** By slot, of workers that came after the canary. */
  failures: Readonly<Record<number, number>>;
}

/** failed: nothing has changed · mixed: the new generation is the one to replace from, but some old workers remain. */
export interface RolloutEnd {
  generation: number;
  outcome: 'done' | 'failed' | 'mixed';
  reason: string;
  startedAt: number;
  endedAt: number;
  /** Whose death it was. */
  worker?: number;
}

/** Deaths in a row that nobody asked for, of one slot. */
export interface Failures {
  count: number;
  retryAt: number;
}

export interface State {
  /** Where jitter comes from: drawn once by the shell. */
  seed: number;
  nextId: number;
  goal: Goal;
  workers: readonly Worker[];
  /** By slot. */
  failures: Readonly<Record<number, Failures>>;
  /** The newest generation of which a worker has served; 0: none ever did. */
  servedGeneration: number;
  rollout?: Rollout;
  lastRollout?: RolloutEnd;
  halted: boolean;
}

/** The limits that the core works with, in milliseconds; they come from the settings and can change at a reload. */
export interface Policy {
  bootTimeoutMs: number;
  gracefulTimeoutMs: number;
  /** How long a quick stop may take. */
  quickTimeoutMs: number;
  /** What the master grants on top of the worker's own limit before it kills. */
  marginMs: number;
  /** How long idle connections linger when a worker leaves, at a stop and otherwise. */
  lingerStopMs: number;
  lingerMs: number;
  backoffBaseMs: number;
  backoffCapMs: number;
  /** A worker that served this long has no failures behind it. */
  stableMs: number;
  /** Between the order to stop gracefully and its beginning. */
  drainDelayMs: number;
  /** A worker that has served this long, and up to the jitter longer, is replaced; 0: never. */
  maxLifetimeMs: number;
  maxLifetimeJitterMs: number;
}

/** Facts. `tick` says how late the master woke up: after SIGSTOP or a suspended machine, silence is no proof of a hang. */
export type Event =
  | { type: 'tick'; lateMs: number }
  | { type: 'loaded'; id: number; kind: string }
  | { type: 'serving'; id: number }
  | { type: 'leaving'; id: number; reason: string }
  | { type: 'retiring'; id: number; reason: string }
  | { type: 'failed'; id: number; exitCode: number; reason: string }
  | { type: 'exited'; id: number; code: number | null; signal: string | null; detail?: string; words?: string }
  | { type: 'scale'; by: number }
  | { type: 'pause'; reason: string }
  | { type: 'reload'; plan: RolloutPlan }
  | { type: 'stop'; how: Stop['how']; reason: string; exitCode: number };

/** Whether the connections that wait to be accepted are this worker's to take, since nobody is left who would. */
export type Queue = 'take' | 'leave';

/** The only verbs. */
export type Command =
  | { type: 'spawn'; id: number; slot: number; generation: number }
  | { type: 'listen'; id: number }
  | { type: 'drain'; id: number; how: Stop['how']; reason: string; lingerMs: number; timeoutMs: number; queue: Queue }
  | { type: 'kill'; id: number; cause: string }
  | { type: 'halt'; exitCode: number; reason: string };

export interface Step {
  state: State;
  commands: Command[];
  /** When `step` wants to be called with a tick, or null. */
  wakeAt: number | null;
}

/** The state before anything has happened. */
export function initialState(goal: Pick<Goal, 'workers'>, seed: number): State {
  return {
    seed,
    nextId: 1,
    goal: { workers: goal.workers, generation: 1 },
    workers: [],
    failures: {},
    servedGeneration: 0,
    halted: false,
  };
}

/** Neither leaving nor told to leave. */
export function isActive(worker: Worker): boolean {
  return worker.stage === 'booting' || worker.stage === 'standby' || worker.stage === 'serving';
}

/** A worker accepts as soon as it is told to listen; its word that it serves comes later. */
export function mayHaveRequests(worker: Worker): boolean {
  return worker.stage === 'serving' || worker.listenOrdered === true;
}
