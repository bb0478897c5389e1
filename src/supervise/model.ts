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
  generation: number;
  stop?: Stop;
}

/** graceful: finish the requests; quick: leave at once. A weaker stop never overrides a stronger one. */
export interface Stop {
  how: 'graceful' | 'quick';
  reason: string;
  exitCode: number;
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
  | { type: 'stop'; how: Stop['how']; reason: string; exitCode: number };

/** The only verbs. */
export type Command =
  | { type: 'spawn'; id: number; slot: number; generation: number }
  | { type: 'listen'; id: number }
  | { type: 'drain'; id: number; how: Stop['how']; reason: string; lingerMs: number; timeoutMs: number }
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

/** Workers that fill their slot or are about to: neither leaving nor asked to. */
export function fillsSlot(worker: Worker): boolean {
  return worker.retiring === undefined && isActive(worker);
}

/** Neither leaving nor told to leave. */
export function isActive(worker: Worker): boolean {
  return worker.stage === 'booting' || worker.stage === 'standby' || worker.stage === 'serving';
}
