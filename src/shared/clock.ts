/** Milliseconds on the monotonic clock. `performance.now()` would load a module that nothing else here needs. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
