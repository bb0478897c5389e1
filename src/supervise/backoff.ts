import type { Failures, Policy } from './model.ts';

/**
 * How long to wait before the next try after `count` failures in a row: none after the first, then doubling from
 * `backoffBaseMs` up to `backoffCapMs`, of which between half and all is taken, so that slots do not march in step.
 * @param unit  a number in [0, 1) that differs from try to try
 * @returns milliseconds
 */
export function backoffMs(count: number, unit: number, policy: Pick<Policy, 'backoffBaseMs' | 'backoffCapMs'>): number {
  if (count <= 1) return 0;
  const full = Math.min(policy.backoffCapMs, policy.backoffBaseMs * 2 ** Math.min(count - 2, 30));
  return Math.round(full * (0.5 + unit / 2));
}

/** The slot's failures after one more death nobody asked for, of a worker that had served `servedMs`. */
export function afterFailure(
  earlier: Failures | undefined,
  servedMs: number,
  now: number,
  unit: number,
  policy: Policy,
): Failures {
  const count = servedMs >= policy.stableMs ? 1 : (earlier?.count ?? 0) + 1;
  return { count, retryAt: now + backoffMs(count, unit, policy) };
}

/** A number in [0, 1) that depends on nothing but the two: the core draws no random numbers (mulberry32's mixing). */
export function unitFrom(seed: number, id: number): number {
  let mixed = (seed + Math.imul(id, 0x6d2b79f5)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
