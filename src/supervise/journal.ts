/**
 * The log is the journal: every event and every command has its line here, in the words a person reads, and the fields
 * that a machine reads. Pure: what the line needs and the core does not have (pids) comes in.
 */
import type { Command, Event, RolloutEnd, State, Worker } from './model.ts';
import { causeOf, isFailure } from './record.ts';
import { isOnTrial, progress } from './rollout.ts';
import { fillsSlot } from './slots.ts';

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface Line {
  level: Level;
  message: string;
  /** `event`, and those of worker, slot, pid, generation, cause, … that apply. */
  fields: Record<string, string | number | null | undefined>;
}

/** What the shell knows of a worker. */
export type PidOf = (id: number) => number | undefined;

/** The line of an event, told from the states before and after it; undefined: not worth one. */
export function eventLine(event: Event, before: State, after: State, now: number, pidOf: PidOf): Line | undefined {
  switch (event.type) {
    case 'tick':
      return { level: 'trace', message: 'tick', fields: { event: 'tick', lateMs: event.lateMs } };
    case 'scale':
      return scaleLine(before, after);
    case 'pause':
      if (before.goal.paused || !after.goal.paused) return undefined;
      return {
        level: 'warn',
        message: `${event.reason}: all workers leave, the sockets stay; HUP or TTIN brings workers back`,
        fields: { event: 'pause', reason: event.reason },
      };
    case 'reload':
      return reloadLine(before, after);
    case 'stop':
      return stopLine(event, before, after, now);
  }
  const worker = before.workers.find((each) => each.id === event.id);
  if (!worker) return undefined;
  const who = name(worker, pidOf);
  const fields = { event: event.type, ...identity(worker, pidOf) };
  switch (event.type) {
    case 'loaded':
      return { level: 'debug', message: `${who} has loaded the application (${event.kind})`, fields };
    case 'serving':
      return {
        level: 'info',
        message: `${who} serves after ${seconds(now - worker.bornAt)}`,
        fields: { ...fields, bootMs: Math.round(now - worker.bornAt) },
      };
    case 'leaving':
      return { level: 'info', message: `${who} leaves: ${event.reason}`, fields: { ...fields, reason: event.reason } };
    case 'retiring':
      return {
        level: 'info',
        message: `${who} is to be replaced: ${event.reason}`,
        fields: { ...fields, reason: event.reason },
      };
    case 'failed':
      return {
        level: 'error',
        message: `${who} failed to boot: ${event.reason}`,
        fields: { ...fields, cause: event.reason },
      };
    case 'exited':
      return exitedLine(event, worker, before, after, now, pidOf);
  }
}

function scaleLine(before: State, after: State): Line {
  const [from, to] = [before.goal.workers, after.goal.workers];
  const fields = { event: 'scale', from, to };
  if (before.goal.paused)
    return after.goal.paused
      ? { level: 'info', message: 'still paused: there is no worker to take away', fields }
      : { level: 'info', message: `${count(to, 'worker')} again`, fields };
  if (from === to) return { level: 'info', message: `still ${count(to, 'worker')}: there has to be one`, fields };
  return { level: 'info', message: `scaled from ${from} to ${count(to, 'worker')}`, fields };
}

function reloadLine(before: State, after: State): Line | undefined {
  const { rollout } = after;
  if (!rollout || rollout === before.rollout) return undefined;
  const instead = before.rollout ? `, instead of ${before.rollout.generation}` : '';
  return {
    level: 'info',
    message: `reload: generation ${rollout.generation} is to take over (${rollout.strategy})${instead}`,
    fields: { event: 'reload', generation: rollout.generation, strategy: rollout.strategy },
  };
}

/** The line of a rollout that has come to its end with this step. */
export function outcomeLine(before: State, after: State, pidOf: PidOf): Line | undefined {
  const end = after.lastRollout;
  if (!end || end === before.lastRollout) return undefined;
  const { generation, outcome, reason } = end;
  return {
    level: outcome === 'done' ? 'info' : 'error',
    message: outcomeText(end, after, pidOf),
    fields: {
      event: 'rollout',
      outcome,
      generation,
      cause: reason,
      durationMs: Math.round(end.endedAt - end.startedAt),
    },
  };
}

/** What became of a rollout, and what can be done about it. */
export function outcomeText(end: RolloutEnd, state: State, pidOf: PidOf): string {
  const { generation, outcome, reason } = end;
  const took = seconds(end.endedAt - end.startedAt);
  if (outcome === 'done')
    return `reload done: ${count(progress(state).of, 'worker')} of generation ${generation} after ${took}`;
  if (outcome === 'failed') {
    const serving =
      state.servedGeneration > 0 && !state.goal.stop ? `; generation ${state.goal.generation} serves on` : '';
    return `reload failed: generation ${generation} did not come up after ${took} (${reason})${serving}`;
  }
  const { current, of } = progress(state);
  const old = state.workers.filter((worker) => worker.generation < generation && fillsSlot(worker, state));
  const names = old.map((worker) => `${name(worker, pidOf)} of generation ${worker.generation}`);
  const ways = `"tsgun reload" tries again, "kill -TERM ${pidOf(old[0]?.id ?? -1) ?? 'PID'}" replaces a single one`;
  return `reload is mixed: ${current} of ${of} workers run generation ${generation} (${reason}); ${names.join(', ') || 'nobody'} stays; ${ways}`;
}

function stopLine(event: Extract<Event, { type: 'stop' }>, before: State, after: State, now: number): Line | undefined {
  if (before.goal.stop?.how === after.goal.stop?.how) return undefined;
  const workers = count(after.workers.length, 'worker');
  const waits = after.goal.stop?.begun ? '' : `, after a delay of ${seconds(after.goal.stop!.startsAt - now)}`;
  return {
    level: event.exitCode === 0 ? 'info' : 'error',
    message: `${event.reason}: stopping ${workers}${event.how === 'graceful' ? ' gracefully' : ' at once'}${waits}`,
    fields: { event: 'stop', how: event.how, reason: event.reason },
  };
}

function exitedLine(
  event: Extract<Event, { type: 'exited' }>,
  worker: Worker,
  before: State,
  after: State,
  now: number,
  pidOf: PidOf,
): Line {
  const failure = isFailure(worker);
  const onTrial = isOnTrial(before) && before.rollout?.generation === worker.generation;
  const how = event.detail ?? (event.signal ? `was killed by ${event.signal}` : `exited with code ${event.code}`);
  const failures = failure && !after.goal.stop && !onTrial ? after.failures[worker.slot] : undefined;
  const retryInMs = failures && Math.max(0, failures.retryAt - now);
  const parts = [`${name(worker, pidOf)} ${how} after ${seconds(now - worker.bornAt)}`];
  const why = worker.cause ?? event.words;
  if (why !== undefined && failure) parts[0] += ` (${why})`;
  if (failures && failures.count > 1) parts.push(`${failures.count} failures in a row`);
  if (retryInMs !== undefined) parts.push(retryInMs > 0 ? `next try in ${seconds(retryInMs)}` : 'replaced at once');
  return {
    level: failure ? 'error' : 'info',
    message: parts.join('; '),
    fields: {
      event: 'exited',
      ...identity(worker, pidOf),
      cause: causeOf(worker, event),
      code: event.code,
      signal: event.signal,
      ageMs: Math.round(now - worker.bornAt),
      failures: failures?.count,
      retryInMs,
    },
  };
}

/** The line of a command; what a worker is told at every start is for those who look closer. */
export function commandLine(command: Command, state: State, pidOf: PidOf): Line {
  if (command.type === 'halt') {
    const { exitCode, reason } = command;
    return { level: 'info', message: `stopped: ${reason}`, fields: { event: 'halt', exitCode, reason } };
  }
  const worker = state.workers.find((each) => each.id === command.id)!;
  const who = name(worker, pidOf);
  const fields = { event: command.type, ...identity(worker, pidOf) };
  switch (command.type) {
    case 'spawn':
      return { level: 'info', message: `booting ${who} in slot ${command.slot}`, fields };
    case 'listen':
      return { level: 'debug', message: `${who} is told to accept connections`, fields };
    case 'drain':
      return {
        level: 'info',
        message: `${who} is told to ${command.how === 'graceful' ? 'finish its requests and leave' : 'leave at once'}: ${command.reason}`,
        fields: { ...fields, how: command.how, reason: command.reason },
      };
    case 'kill':
      return {
        level: 'error',
        message: `${who} is killed (SIGKILL): ${command.cause}`,
        fields: { ...fields, cause: command.cause },
      };
  }
}

function name(worker: Worker, pidOf: PidOf): string {
  const pid = pidOf(worker.id);
  return pid === undefined ? `worker ${worker.id}` : `worker ${worker.id} (pid ${pid})`;
}

function identity(worker: Worker, pidOf: PidOf): Line['fields'] {
  return { worker: worker.id, slot: worker.slot, pid: pidOf(worker.id), generation: worker.generation };
}

const seconds = (ms: number): string => (ms < 995 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(1)} s`);
const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
