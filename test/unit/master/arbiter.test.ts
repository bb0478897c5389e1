import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Arbiter, type Shell } from '../../../src/master/arbiter.ts';
import { type Command, type Event, initialState, type Policy } from '../../../src/supervise/model.ts';

const policy: Policy = {
  bootTimeoutMs: 60_000,
  gracefulTimeoutMs: 1000,
  quickTimeoutMs: 1000,
  marginMs: 1000,
  lingerStopMs: 100,
  lingerMs: 100,
  backoffBaseMs: 1000,
  backoffCapMs: 30_000,
  stableMs: 10_000,
  drainDelayMs: 0,
  maxLifetimeMs: 0,
  maxLifetimeJitterMs: 0,
};

/** An arbiter whose shell notes what it is told, in order, and does `perform` with every command. */
function recorded(perform: (command: Command, arbiter: Arbiter) => void, limits: Partial<Policy> = {}) {
  const told: string[] = [];
  const events: Event[] = [];
  const shell: Shell = {
    perform(command) {
      told.push(`do ${command.type}`);
      perform(command, arbiter);
    },
    journalEvent(event) {
      events.push(event);
      told.push(event.type);
    },
    journalCommand: (command) => void told.push(`done ${command.type}`),
  };
  const arbiter: Arbiter = new Arbiter(initialState({ workers: 1 }, 1), () => ({ ...policy, ...limits }), shell);
  return { arbiter, told, events };
}

test('an event that comes while another is dealt with waits for its turn', () => {
  const { arbiter, told } = recorded((command, self) => {
    if (command.type === 'spawn') self.post({ type: 'loaded', id: command.id, kind: 'handler' });
    if (command.type === 'listen') self.post({ type: 'serving', id: command.id });
  });
  arbiter.post({ type: 'tick', lateMs: 0 });
  expect(told).toEqual(['tick', 'do spawn', 'done spawn', 'loaded', 'do listen', 'done listen', 'serving']);
  expect(arbiter.state.workers).toMatchObject([{ id: 1, stage: 'serving' }]);
});

test('a shell that throws leaves it able to go on', () => {
  let broken = true;
  const { arbiter, told } = recorded(() => {
    if (broken) throw new Error('no more processes');
  });
  expect(() => arbiter.post({ type: 'tick', lateMs: 0 })).toThrow('no more processes');
  broken = false;
  arbiter.post({ type: 'stop', how: 'quick', reason: 'test', exitCode: 0 });
  expect(told.slice(-2)).toEqual(['do drain', 'done drain']);
  arbiter.post({ type: 'exited', id: 1, code: 0, signal: null });
  expect(arbiter.state.halted).toBe(true);
});

test('its timer ticks when the core wants it, and says how late it is', async () => {
  const { arbiter, told, events } = recorded(() => {}, { bootTimeoutMs: 50 });
  arbiter.post({ type: 'tick', lateMs: 0 });
  await sleep(30);
  expect(told).toEqual(['tick', 'do spawn', 'done spawn']);
  while (!told.includes('done kill')) await sleep(5);
  // Node's timers count from the beginning of a turn: one that is early by a millisecond is set again.
  expect(told.filter((each) => each !== 'tick')).toEqual(['do spawn', 'done spawn', 'do kill', 'done kill']);
  expect(told.indexOf('do kill')).toBeGreaterThan(told.indexOf('tick', 1));
  expect(told.filter((each) => each === 'tick').length).toBeLessThan(5);
  const late = events.at(-1) as Extract<Event, { type: 'tick' }>;
  expect(late.lateMs).toBeGreaterThan(-2);
  expect(late.lateMs).toBeLessThan(1000);
  arbiter.post({ type: 'exited', id: 1, code: null, signal: 'SIGKILL' });
});

test('a halted world has no timer: nothing keeps the process', async () => {
  const { arbiter, told } = recorded(() => {}, { bootTimeoutMs: 30 });
  arbiter.post({ type: 'tick', lateMs: 0 });
  arbiter.post({ type: 'stop', how: 'quick', reason: 'test', exitCode: 0 });
  arbiter.post({ type: 'exited', id: 1, code: 0, signal: null });
  const before = told.length;
  await sleep(80);
  expect(told.length).toBe(before);
  expect(told.filter((each) => each === 'done halt')).toHaveLength(1);
});
