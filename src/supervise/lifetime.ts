import { unitFrom } from './backoff.ts';
import type { Policy, Worker } from './model.ts';

/** When a worker has served its time (`--max-lifetime`, with the jitter drawn once for each); undefined: never. */
export function retireAt(worker: Worker, seed: number, policy: Policy): number | undefined {
  if (policy.maxLifetimeMs === 0 || worker.servingAt === undefined || worker.stage !== 'serving') return undefined;
  if (worker.retiring !== undefined) return undefined;
  return worker.servingAt + policy.maxLifetimeMs + unitFrom(seed, worker.id) * policy.maxLifetimeJitterMs;
}
