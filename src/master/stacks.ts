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

/** How much of a worker's standard error is kept, in characters: a pipe's worth. */
const MAX_TAIL = 64 * 1024;

/** What each worker has said last: who failed to come up is asked for it. */
export class LastWords {
  readonly #of = new Map<number, { log: string[]; size: number; stack?: string }>();

  /** A line on its standard error. */
  line(id: number, text: string): void {
    const words = this.#get(id);
    words.log.push(text);
    words.size += text.length;
    while (words.size > MAX_TAIL) words.size -= words.log.shift()!.length;
  }

  stack(id: number, stack: string | undefined): void {
    if (stack !== undefined) this.#get(id).stack ??= stack;
  }

  /** @returns what there is of the two */
  last(id: number): { log?: string[]; stack?: string } {
    const { log = [], stack } = this.#of.get(id) ?? {};
    return { ...(log.length === 0 ? {} : { log: [...log] }), ...(stack === undefined ? {} : { stack }) };
  }

  forget(id: number): void {
    this.#of.delete(id);
  }

  #get(id: number): { log: string[]; size: number; stack?: string } {
    const words = this.#of.get(id) ?? { log: [], size: 0 };
    this.#of.set(id, words);
    return words;
  }
}
