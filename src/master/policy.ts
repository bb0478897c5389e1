import type { Config } from '../config/settings.ts';
import type { Policy } from '../supervise/model.ts';

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
  };
}
