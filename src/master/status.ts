/** What the control socket says of the master's state. Pure: what the state does not have comes in. */
import type { ReloadResult, Status, WorkerStatus } from '../shared/status.ts';
import type { Event, State, Worker } from '../supervise/model.ts';
import { causeOf, isFailure } from '../supervise/record.ts';

/** What the core does not know. `nowMs` is on its own clock, `at` the same moment on the wall. */
export interface StatusFacts {
  name: string;
  pid: number;
  tsgun: string;
  node: string;
  startedAt: Date;
  nowMs: number;
  at: Date;
  addresses: string[];
  pidOf(id: number): number | undefined;
  lastDeath?: Status['lastDeath'] | undefined;
  lastRollout?: ReloadResult | undefined;
  /** Times on the core's clock. */
  rollout?:
    | { generation: number; strategy: 'rolling' | 'atomic'; startedAt: number; provenAt?: number | undefined }
    | undefined;
  paused?: boolean | undefined;
}

/** Version 1 of the status, which man/control-socket.md describes. */
export function statusOf(state: State, facts: StatusFacts): Status {
  const { name, pid, tsgun, node, startedAt, rollout, lastRollout, lastDeath } = facts;
  const serving = state.workers.filter(({ stage }) => stage === 'serving').length;
  const reason = serving < state.goal.workers ? whyFewer(state, facts) : '';
  return {
    version: 1,
    name,
    pid,
    tsgun,
    node,
    startedAt: startedAt.toISOString(),
    ready: isReady(state),
    state: stateOf(state, facts),
    generation: state.goal.generation,
    goal: state.goal.workers,
    capacity: { serving, of: state.goal.workers, ...(reason === '' ? {} : { reason }) },
    addresses: facts.addresses,
    workers: state.workers.map((worker) => workerStatus(worker, state, facts)),
    ...(rollout === undefined ? {} : { rollout: rolloutStatus(rollout, facts) }),
    ...(lastRollout === undefined ? {} : { lastRollout }),
    ...(lastDeath === undefined ? {} : { lastDeath }),
  };
}

/** A worker serves, and no stop has begun. */
export function isReady(state: State): boolean {
  return state.goal.stop === undefined && state.workers.some(({ stage }) => stage === 'serving');
}

function stateOf(state: State, { rollout, paused }: StatusFacts): Status['state'] {
  if (state.goal.stop) return 'stopping';
  if (state.servedGeneration === 0) return 'starting';
  if (rollout) return 'reloading';
  return paused ? 'paused' : 'serving';
}

function whyFewer(state: State, { nowMs, lastRollout }: StatusFacts): string {
  if (state.goal.stop) return `stopping: ${state.goal.stop.reason}`;
  const waiting = Object.entries(state.failures)
    .filter(([slot, { retryAt }]) => Number(slot) < state.goal.workers && retryAt > nowMs)
    .filter(([slot]) => !state.workers.some((worker) => worker.slot === Number(slot)))
    .map(([slot, { count, retryAt }]) => {
      const failures = count === 1 ? '1 failure' : `${count} failures in a row`;
      return `slot ${slot}: ${failures}, next try in ${((retryAt - nowMs) / 1000).toFixed(1)} s`;
    });
  const booting = state.workers.filter(({ stage }) => stage === 'booting' || stage === 'standby').length;
  const { outcome, generation } = lastRollout ?? {};
  if (outcome === 'failed' && generation !== undefined && waiting.length > 0)
    waiting.push(`the code on disk failed reload ${generation}`);
  const boots = booting === 1 ? '1 worker boots' : `${booting} workers boot`;
  return [...waiting, ...(booting === 0 ? [] : [boots])].join('; ');
}

function workerStatus(worker: Worker, state: State, { pidOf, nowMs }: StatusFacts): WorkerStatus {
  const { id, slot, generation, stage, bornAt } = worker;
  const pid = pidOf(id);
  const reason = whyLeaves(worker, state);
  return {
    id,
    slot,
    ...(pid === undefined ? {} : { pid }),
    generation,
    stage,
    ageMs: Math.round(nowMs - bornAt),
    ...(reason === undefined ? {} : { reason }),
  };
}

function whyLeaves({ slot, stage, cause, retiring }: Worker, { goal }: State): string | undefined {
  const known = cause ?? retiring;
  if (known !== undefined || stage === 'booting' || stage === 'standby' || stage === 'serving') return known;
  return goal.stop?.reason ?? (slot >= goal.workers ? 'scaled down' : undefined);
}

function rolloutStatus(
  { generation, strategy, startedAt, provenAt }: NonNullable<StatusFacts['rollout']>,
  { nowMs, at }: StatusFacts,
): NonNullable<Status['rollout']> {
  const began = new Date(at.getTime() - (nowMs - startedAt));
  return { generation, strategy, startedAt: began.toISOString(), proven: provenAt !== undefined };
}

/** @returns the death that the event reports, if nobody asked for it */
export function deathOf(event: Event, before: State, pid: number | undefined, at: Date): Status['lastDeath'] {
  if (event.type !== 'exited') return undefined;
  const worker = before.workers.find(({ id }) => id === event.id);
  if (!worker || !isFailure(worker)) return undefined;
  const { id, slot, generation } = worker;
  const cause = causeOf(worker, event);
  return { worker: id, slot, ...(pid === undefined ? {} : { pid }), generation, cause, at: at.toISOString() };
}
