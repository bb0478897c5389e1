/**
 * The log is the journal: every event and every command has its line here, in the words a person reads, and the fields
 * that a machine reads. Pure: what the line needs and the core does not have (pids) comes in.
 */
import type { Command, Event, State, Worker } from './model.ts';
import { isFailure } from './record.ts';

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
      return {
        level: 'info',
        message: `scaled from ${before.goal.workers} to ${count(after.goal.workers, 'worker')}`,
        fields: { event: 'scale', from: before.goal.workers, to: after.goal.workers },
      };
    case 'stop':
      return stopLine(event, before, after);
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
      return exitedLine(event, worker, after, now, pidOf);
  }
}

function stopLine(event: Extract<Event, { type: 'stop' }>, before: State, after: State): Line | undefined {
  if (before.goal.stop?.how === after.goal.stop?.how) return undefined;
  const workers = count(after.workers.length, 'worker');
  return {
    level: event.exitCode === 0 ? 'info' : 'error',
    message: `${event.reason}: stopping ${workers}${event.how === 'graceful' ? ' gracefully' : ' at once'}`,
    fields: { event: 'stop', how: event.how, reason: event.reason },
  };
}

function exitedLine(
  event: Extract<Event, { type: 'exited' }>,
  worker: Worker,
  after: State,
  now: number,
  pidOf: PidOf,
): Line {
  const failure = isFailure(worker);
  const how = event.detail ?? (event.signal ? `was killed by ${event.signal}` : `exited with code ${event.code}`);
  const cause = worker.cause ?? event.detail ?? (event.signal ? `signal ${event.signal}` : `exit code ${event.code}`);
  const failures = failure && !after.goal.stop ? after.failures[worker.slot] : undefined;
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
      cause,
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
