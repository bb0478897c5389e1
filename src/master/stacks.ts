/** How many different stacks are remembered; the oldest goes. */
const MAX_STACKS = 100;

/** Counts stacks, so that a crash loop shows its stack once. */
export class StackCounter {
  readonly #times = new Map<string, number>();

  /** @returns how often this stack has come by now */
  count(stack: string): number {
    const times = (this.#times.get(stack) ?? 0) + 1;
    this.#times.delete(stack);
    this.#times.set(stack, times);
    const [oldest] = this.#times.keys();
    if (this.#times.size > MAX_STACKS && oldest !== undefined) this.#times.delete(oldest);
    return times;
  }
}
