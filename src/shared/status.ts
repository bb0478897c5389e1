/**
 * What the control socket says of a running instance: the answer to `GET /status`, version 1. Times are ISO 8601, durations
 * milliseconds. A field is only ever added; what changes its meaning gets another version.
 */
export interface Status {
  version: 1;
  name: string;
  /** The master's. */
  pid: number;
  tsgun: string;
  node: string;
  startedAt: string;
  /** A worker serves, and no stop has begun: what /readyz says. */
  ready: boolean;
  /** What the master is about: `starting`, `serving`, `reloading`, `paused`, `upgrading`, `stopping`. */
  state: 'starting' | 'serving' | 'reloading' | 'paused' | 'upgrading' | 'stopping';
  /** The generation that replacements are spawned from: the newest that has proved itself. */
  generation: number;
  /** How many workers there are to be. */
  goal: number;
  /** How many serve, of `goal`; `reason` when that is fewer, as far as it is known. */
  capacity: { serving: number; of: number; reason?: string };
  addresses: string[];
  workers: WorkerStatus[];
  /** The rollout that is under way. */
  rollout?: { generation: number; strategy: 'rolling' | 'atomic'; startedAt: string; proven: boolean };
  lastRollout?: ReloadResult;
  /** The last death that nobody asked for. */
  lastDeath?: { worker: number; slot: number; pid?: number; generation: number; cause: string; at: string };
}

export interface WorkerStatus {
  id: number;
  slot: number;
  pid?: number;
  generation: number;
  stage: 'booting' | 'standby' | 'serving' | 'draining' | 'aborting' | 'killed';
  ageMs: number;
  /** Why it is to be replaced, or is leaving. */
  reason?: string;
}

/**
 * How a reload ended. `done`: all workers run the new generation. `failed`: nothing has changed, the old generation serves.
 * `mixed`: the new generation has proved itself, but some old workers could not be replaced.
 */
export interface ReloadResult {
  outcome: 'done' | 'failed' | 'mixed';
  /** The generation that was to be; absent when it came to none, as the configuration was wrong. */
  generation?: number;
  /** One line. */
  message: string;
  /** The application's own stack, when the canary had one. */
  stack?: string;
  /** The last lines that the failed worker wrote to its standard error. */
  log?: string[];
  durationMs: number;
  at: string;
}
