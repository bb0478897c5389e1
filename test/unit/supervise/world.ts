/** A world for the core to supervise: processes that load, serve, fail and hang as it is written, on a clock of its own. */
import {
  type Command,
  type Event,
  initialState,
  type Policy,
  type RolloutPlan,
  type State,
  type Step,
} from '../../../src/supervise/model.ts';
import { step } from '../../../src/supervise/step.ts';

/** What becomes of a worker. Times are milliseconds after the previous stage. */
export interface Fate {
  /** failed: says so and exits; mute: says so and hangs; gone: exits; absent: could not be started; leaves: as told by SIGTERM. */
  load: 'well' | 'failed' | 'mute' | 'gone' | 'stuck' | 'absent' | 'leaves';
  loadMs: number;
  serve: 'well' | 'gone' | 'stuck';
  serveMs: number;
  life: 'long' | 'gone' | 'leaves' | 'retires';
  lifeMs: number;
  /** From an order to leave until the exit; null: it does not obey. */
  leaveMs: number | null;
  /** How many SIGKILLs it takes, and how long the last one. */
  kills: number;
  dieMs: number;
}

/** What comes from outside; `pick` chooses one of the workers there are, modulo their number. */
export type Deed =
  | { do: 'scale'; by: number }
  | { do: 'reload'; plan: Omit<RolloutPlan, 'generation'> }
  | { do: 'pause' }
  | { do: 'stop'; how: 'graceful' | 'quick'; exitCode: number }
  | { do: 'retire' | 'terminate' | 'slay'; pick: number }
  | { do: 'nonsense'; type: 'loaded' | 'serving' | 'leaving' | 'retiring' | 'failed' | 'exited' };

export interface Plan {
  workers: number;
  seed: number;
  policy: Policy;
  /** Worker n has the nth, and so on in a circle. */
  fates: readonly Fate[];
  deeds: readonly { atMs: number; deed: Deed }[];
  /** How late the first ticks come; the others come in time. */
  lateness: readonly number[];
}

/** One step of the core, with what the world knew before it. */
export interface Moment {
  now: number;
  event: Event;
  before: State;
  step: Step;
  /** Processes there were when the commands were given. */
  alive: ReadonlySet<number>;
}

interface Process {
  id: number;
  fate: Fate;
  killsLeft: number;
  left: boolean;
}

interface Happening {
  at: number;
  happen: () => Event | undefined;
}

/** No worker has this id. */
const NOBODY = 1_000_000;

export class World {
  now = 0;
  state: State;
  readonly processes = new Map<number, Process>();
  readonly #plan: Plan;
  readonly #watch: (moment: Moment) => void;
  readonly #lateness: number[];
  #agenda: Happening[] = [];
  #wakeAt: number | null = null;
  #generation = 1;

  /** @param watch  is shown every step */
  constructor(plan: Plan, watch: (moment: Moment) => void) {
    this.#plan = plan;
    this.#watch = watch;
    this.#lateness = [...plan.lateness];
    this.state = deepFreeze(initialState(plan, plan.seed));
    this.post({ type: 'tick', lateMs: 0 });
    for (const { atMs, deed } of plan.deeds) this.#in(atMs, () => this.#deed(deed));
  }

  /** Lets time pass until nothing is to happen any more, at the longest until `until` or for so many steps. */
  run(until: number, maxSteps: number): void {
    for (let steps = 0; steps < maxSteps; steps++) {
      const next = this.#agenda[0]?.at ?? Number.POSITIVE_INFINITY;
      const wakeAt = this.#wakeAt ?? Number.POSITIVE_INFINITY;
      const soonest = Math.min(next, wakeAt);
      if (soonest > until || soonest === Number.POSITIVE_INFINITY) break;
      if (wakeAt <= next) {
        const lateMs = this.#lateness.shift() ?? 0;
        this.now = wakeAt + lateMs;
        this.post({ type: 'tick', lateMs });
      } else {
        this.now = Math.max(this.now, next);
        const event = this.#agenda.shift()!.happen();
        if (event) this.post(event);
      }
    }
    if (until !== Number.POSITIVE_INFINITY) this.now = Math.max(this.now, until);
  }

  post(event: Event): void {
    const before = this.state;
    const result = step(before, event, this.now, this.#plan.policy);
    this.state = deepFreeze(result.state);
    this.#wakeAt = result.wakeAt;
    const alive = new Set(this.processes.keys());
    for (const command of result.commands) this.#perform(command);
    this.#watch({ now: this.now, event, before, step: result, alive });
  }

  #in(ms: number, happen: Happening['happen']): void {
    const at = this.now + ms;
    const later = this.#agenda.findIndex((each) => each.at > at);
    this.#agenda.splice(later === -1 ? this.#agenda.length : later, 0, { at, happen });
  }

  /** As long as the process lives. */
  #of(process: Process, ms: number, happen: Happening['happen']): void {
    this.#in(ms, () => (this.processes.has(process.id) ? happen() : undefined));
  }

  #exit(process: Process, ms: number, code: number | null, signal: string | null): void {
    this.#of(process, ms, () => {
      this.processes.delete(process.id);
      return { type: 'exited', id: process.id, code, signal };
    });
  }

  #perform(command: Command): void {
    if (command.type === 'halt') return;
    if (command.type === 'spawn') return this.#spawn(command.id);
    const process = this.processes.get(command.id);
    if (!process) return;
    if (command.type === 'listen') this.#serve(process);
    else if (command.type === 'drain') this.#leave(process);
    else if (--process.killsLeft <= 0) this.#exit(process, process.fate.dieMs, null, 'SIGKILL');
  }

  #spawn(id: number): void {
    const fate = this.#plan.fates[(id - 1) % this.#plan.fates.length]!;
    const process: Process = { id, fate, killsLeft: fate.kills, left: false };
    this.processes.set(id, process);
    if (fate.load === 'absent') return this.#exit(process, 0, null, null);
    if (fate.load === 'gone') return this.#exit(process, fate.loadMs, 1, null);
    this.#of(process, fate.loadMs, () => {
      if (fate.load === 'well') return { type: 'loaded', id, kind: 'a handler' };
      if (fate.load === 'leaves') return this.#terminate(process);
      if (fate.load === 'stuck') return undefined;
      if (fate.load === 'failed') this.#exit(process, 5, 3, null);
      return { type: 'failed', id, exitCode: 3, reason: 'it throws' };
    });
  }

  #serve(process: Process): void {
    const { id, fate } = process;
    if (fate.serve === 'gone') return this.#exit(process, fate.serveMs, 1, null);
    if (fate.serve === 'stuck') return;
    this.#of(process, fate.serveMs, () => {
      if (fate.life === 'gone') this.#exit(process, fate.lifeMs, null, 'SIGSEGV');
      if (fate.life === 'leaves') this.#of(process, fate.lifeMs, () => this.#terminate(process));
      if (fate.life === 'retires')
        this.#of(process, fate.lifeMs, () => ({ type: 'retiring', id, reason: 'it is too fat' }));
      return { type: 'serving', id };
    });
  }

  #leave(process: Process): void {
    if (process.left || process.fate.leaveMs === null) return;
    process.left = true;
    this.#exit(process, process.fate.leaveMs, 0, null);
  }

  #terminate(process: Process): Event {
    this.#leave(process);
    return { type: 'leaving', id: process.id, reason: 'SIGTERM' };
  }

  #deed(deed: Deed): Event | undefined {
    if (deed.do === 'scale') return { type: 'scale', by: deed.by };
    if (deed.do === 'reload') return { type: 'reload', plan: { ...deed.plan, generation: ++this.#generation } };
    if (deed.do === 'pause') return { type: 'pause', reason: 'SIGWINCH' };
    if (deed.do === 'stop') return { type: 'stop', how: deed.how, reason: 'SIGTERM', exitCode: deed.exitCode };
    if (deed.do === 'nonsense') return nonsense[deed.type];
    const process = [...this.processes.values()][deed.pick % this.processes.size];
    if (!process) return undefined;
    if (deed.do === 'terminate') return this.#terminate(process);
    if (deed.do === 'retire') return { type: 'retiring', id: process.id, reason: 'somebody said so' };
    this.processes.delete(process.id);
    return { type: 'exited', id: process.id, code: null, signal: 'SIGKILL' };
  }
}

/** Facts about a worker that there never was. */
const nonsense: Record<Extract<Deed, { do: 'nonsense' }>['type'], Event> = {
  loaded: { type: 'loaded', id: NOBODY, kind: 'a handler' },
  serving: { type: 'serving', id: NOBODY },
  leaving: { type: 'leaving', id: NOBODY, reason: 'SIGTERM' },
  retiring: { type: 'retiring', id: NOBODY, reason: 'it is too fat' },
  failed: { type: 'failed', id: NOBODY, exitCode: 4, reason: 'it throws' },
  exited: { type: 'exited', id: NOBODY, code: 0, signal: null },
};

export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const each of Object.values(value)) deepFreeze(each);
  }
  return value;
}
