import { monotonicMs } from '../shared/clock.ts';
import type { Command, Event, Policy, State } from '../supervise/model.ts';
import { step } from '../supervise/step.ts';

/** What the arbiter cannot do by itself. */
export interface Shell {
  /** Carries out a command; what fails comes back as an event. */
  perform(command: Command): void;
  /** Is told of every event, with the states before and after it. */
  journalEvent(event: Event, before: State, after: State, now: number): void;
  /** Is told of every command after it was carried out. */
  journalCommand(command: Command, state: State): void;
}

/** Longest time that setTimeout takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** One queue of events, one timer: asks the core what to do and has it done. */
export class Arbiter {
  #state: State;
  readonly #policyOf: (state: State) => Policy;
  readonly #shell: Shell;
  readonly #queue: Event[] = [];
  #running = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param policyOf  the limits that are in force in a state */
  constructor(state: State, policyOf: (state: State) => Policy, shell: Shell) {
    this.#state = state;
    this.#policyOf = policyOf;
    this.#shell = shell;
  }

  get state(): State {
    return this.#state;
  }

  /** Takes a fact; facts that come while another is dealt with wait for their turn. */
  post(event: Event): void {
    this.#queue.push(event);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) this.#deal(next);
    } finally {
      this.#running = false;
    }
  }

  #deal(event: Event): void {
    const now = monotonicMs();
    const before = this.#state;
    const { state, commands, wakeAt } = step(before, event, now, this.#policyOf(before));
    this.#state = state;
    this.#shell.journalEvent(event, before, state, now);
    for (const command of commands) {
      this.#shell.perform(command);
      this.#shell.journalCommand(command, state);
    }
    this.#wakeAt(wakeAt);
  }

  #wakeAt(time: number | null): void {
    clearTimeout(this.#timer);
    if (time === null) return;
    const delay = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(time - monotonicMs())));
    const due = monotonicMs() + delay;
    this.#timer = setTimeout(() => this.post({ type: 'tick', lateMs: monotonicMs() - due }), delay);
  }
}
