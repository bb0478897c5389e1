import type { Config } from '../config/settings.ts';
import type { Policy, RolloutPlan } from '../supervise/model.ts';

/** What a quick stop grants a worker's own handlers, and what the master grants any worker beyond its own limit. */
const QUICK_MS = 1000;
const MARGIN_MS = 1000;

/** Linger of connections when a worker leaves while its siblings serve on: longer than at a stop, since nobody waits. */
const LINGER_MS = 10_000;

/** The limits that supervision works with. */
export function policyOf(config: Config): Policy {
  return {
    bootTimeoutMs: config.bootTimeout * 1000,
    gracefulTimeoutMs: config.gracefulTimeout * 1000,
    quickTimeoutMs: QUICK_MS,
    marginMs: MARGIN_MS,
    lingerStopMs: config.drainLinger * 1000,
    lingerMs: LINGER_MS,
    backoffBaseMs: 1000,
    backoffCapMs: 30_000,
    stableMs: 10_000,
    drainDelayMs: config.drainDelay * 1000,
    maxLifetimeMs: config.maxLifetime * 1000,
    maxLifetimeJitterMs: config.maxLifetimeJitter * 1000,
  };
}

/** How a generation is to take over. @param workers  how many there are to be then, where that changes */
export function planOf(config: Config, generation: number, workers: number | undefined, present: number): RolloutPlan {
  const goal = workers ?? present;
  const { surge, maxDraining } = config;
  return {
    generation,
    strategy: config.rolloutStrategy,
    surge: Math.max(1, typeof surge === 'number' ? surge : Math.ceil((goal * surge.percent) / 100)),
    maxDraining: maxDraining ?? Math.max(goal, present),
    attempts: config.rolloutAttempts,
    minUptimeMs: config.minUptime * 1000,
    bootTimeoutMs: config.bootTimeout * 1000,
    ...(workers === undefined ? {} : { workers }),
  };
}
