/** Tells the core what happens and takes down what it commands, in short: `spawn 2 in 1`, `drain 1 graceful: scaled down`. */
import {
  type Command,
  type Event,
  initialState,
  type Policy,
  type RolloutPlan,
  type State,
} from '../../../src/supervise/model.ts';
import { step } from '../../../src/supervise/step.ts';
import { deepFreeze } from './world.ts';

export const policy: Policy = {
  bootTimeoutMs: 60_000,
  gracefulTimeoutMs: 30_000,
  quickTimeoutMs: 1000,
  marginMs: 1000,
  lingerStopMs: 2000,
  lingerMs: 10_000,
  backoffBaseMs: 1000,
  backoffCapMs: 30_000,
  stableMs: 10_000,
  drainDelayMs: 0,
  maxLifetimeMs: 0,
  maxLifetimeJitterMs: 0,
};

export class Story {
  state: State;
  wakeAt: number | null = null;
  /** As they were given by the last event. */
  commands: Command[] = [];

  constructor(workers: number) {
    this.state = deepFreeze(initialState({ workers }, 1));
  }

  /** @returns what the core commands at `now`, milliseconds */
  at(now: number, event: Event): string[] {
    const { state, commands, wakeAt } = step(this.state, event, now, policy);
    this.state = deepFreeze(state);
    this.wakeAt = wakeAt;
    this.commands = commands;
    return commands.map(brief);
  }

  stage(id: number): string | undefined {
    return this.state.workers.find((worker) => worker.id === id)?.stage;
  }
}

/** A story in which workers 1 … n serve since `now` = 0, in the slots 0 … n - 1. */
export function serving(workers: number): Story {
  const story = new Story(workers);
  story.at(0, tick());
  for (let id = 1; id <= workers; id++) {
    story.at(0, loaded(id));
    story.at(0, serves(id));
  }
  return story;
}

function brief(command: Command): string {
  switch (command.type) {
    case 'spawn':
      return `spawn ${command.id} in ${command.slot}`;
    case 'listen':
      return `listen ${command.id}`;
    case 'drain':
      return `drain ${command.id} ${command.how}: ${command.reason}`;
    case 'kill':
      return `kill ${command.id}: ${command.cause}`;
    case 'halt':
      return `halt ${command.exitCode}: ${command.reason}`;
  }
}

export const tick = (lateMs = 0): Event => ({ type: 'tick', lateMs });
export const loaded = (id: number): Event => ({ type: 'loaded', id, kind: 'a handler' });
export const serves = (id: number): Event => ({ type: 'serving', id });
export const leaving = (id: number): Event => ({ type: 'leaving', id, reason: 'SIGTERM' });
export const retiring = (id: number, reason = 'memory'): Event => ({ type: 'retiring', id, reason });
export const failed = (id: number, exitCode = 3): Event => ({ type: 'failed', id, exitCode, reason: 'it throws' });
export const exited = (id: number, code: number | null = 1, signal: string | null = null): Event => ({
  type: 'exited',
  id,
  code,
  signal,
});
export const scale = (by: number): Event => ({ type: 'scale', by });
export const stop = (how: 'graceful' | 'quick', exitCode = 0): Event => ({
  type: 'stop',
  how,
  reason: how === 'graceful' ? 'SIGTERM' : 'SIGINT',
  exitCode,
});
export const pause = (): Event => ({ type: 'pause', reason: 'SIGWINCH' });
export const reload = (generation: number, plan: Partial<RolloutPlan> = {}): Event => ({
  type: 'reload',
  plan: {
    generation,
    strategy: 'rolling',
    surge: 1,
    maxDraining: 4,
    attempts: 3,
    minUptimeMs: 0,
    bootTimeoutMs: 60_000,
    ...plan,
  },
});
