// Medians, ratios, and the lines that are printed.
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

let missed = 0;

/** How many targets were missed, or not shown, so far. */
export const misses = () => missed;

export function heading(text) {
  console.log(`\n${text}`);
}

/** One figure in words, without a judgement. */
export function note(name, text) {
  console.log(`  ${name.padEnd(44)} ${text}`);
}

/**
 * A figure with its target: `bound` is 'at least' or 'at most'. One that this run cannot show (`unclear` says why) is
 * neither met nor missed, whatever its value is; --check takes it for missed.
 */
export function figure(name, value, bound, target, details, unclear) {
  const good = bound === 'at least' ? value >= target : value <= target;
  if (!good || unclear !== undefined) missed++;
  const verdict = unclear !== undefined ? 'UNCLEAR' : good ? 'ok     ' : 'MISSED ';
  const why = unclear === undefined ? '' : ` (${unclear})`;
  note(name, `${value.toFixed(2).padStart(6)}  ${bound} ${target}  ${verdict}  ${details}${why}`);
}
