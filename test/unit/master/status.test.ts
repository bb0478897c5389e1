import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { deathOf, isReady, type StatusFacts, statusOf } from '../../../src/master/status.ts';
import type { State } from '../../../src/supervise/model.ts';
import { loaded, Story, serves, serving, tick } from '../supervise/story.ts';

const at = new Date('2026-11-24T12:00:00.000Z');

/** The status at this moment of the core's clock, which is noon. */
const status = (state: State, nowMs: number, more: Partial<StatusFacts> = {}) =>
  statusOf(state, {
    name: 'shop',
    pid: 1000,
    tsgun: '1.2.3',
    node: 'v24.0.0',
    startedAt: new Date('2026-11-24T11:00:00.000Z'),
    nowMs,
    at,
    addresses: ['127.0.0.1:8000'],
    pidOf: (id) => (id === 9 ? undefined : 1000 + id),
    ...more,
  });

const stop = { type: 'stop', how: 'graceful', reason: 'SIGTERM', exitCode: 0 } as const;
const exited = (id: number) => ({ type: 'exited', id, code: 1, signal: null }) as const;

describe('what the master is about', () => {
  test('it starts, serves and stops; it is ready only in between', () => {
    const story = new Story(2);
    expect(status(story.state, 0)).toMatchObject({ state: 'starting', ready: false, generation: 1, goal: 2 });
    story.at(0, tick());
    expect(status(story.state, 5).capacity).toEqual({ serving: 0, of: 2, reason: '1 worker boots' });
    story.at(10, loaded(1));
    story.at(20, serves(1));
    expect(status(story.state, 30)).toMatchObject({ state: 'serving', ready: true, capacity: { serving: 1, of: 2 } });
    story.at(40, stop);
    expect(isReady(story.state)).toBe(false);
    const stopping = status(story.state, 50);
    expect(stopping).toMatchObject({ state: 'stopping', ready: false, capacity: { reason: 'stopping: SIGTERM' } });
    expect(stopping.workers.map(({ stage, reason }) => [stage, reason])).toEqual([
      ['draining', 'SIGTERM'],
      ['aborting', 'SIGTERM'],
    ]);
  });

  test('a rollout, a pause and the last rollout', () => {
    const { state } = serving(1);
    const rollout = { generation: 2, strategy: 'rolling', startedAt: 4000 } as const;
    expect(status(state, 10_000, { rollout })).toMatchObject({
      state: 'reloading',
      rollout: { generation: 2, strategy: 'rolling', startedAt: '2026-11-24T11:59:54.000Z', proven: false },
    });
    expect(status(state, 10_000, { rollout: { ...rollout, provenAt: 5000 } }).rollout?.proven).toBe(true);
    expect(status(state, 0, { paused: true }).state).toBe('paused');
    const lastRollout = { outcome: 'done', message: 'all is new', durationMs: 7, at: at.toISOString() } as const;
    expect(status(state, 0, { lastRollout }).lastRollout).toEqual(lastRollout);
    for (const field of ['rollout', 'lastRollout', 'lastDeath']) expect(status(state, 0)).not.toHaveProperty(field);
  });
});

test('workers: age, pid where there is one, and why they leave', () => {
  const story = serving(2);
  story.at(1000, { type: 'retiring', id: 1, reason: 'too much memory' });
  story.at(1000, { type: 'scale', by: -1 });
  const { workers, capacity } = status(story.state, 2500.4);
  expect(capacity).toEqual({ serving: 1, of: 1 });
  expect(workers).toEqual([
    { id: 1, slot: 0, pid: 1001, generation: 1, stage: 'serving', ageMs: 2500, reason: 'too much memory' },
    { id: 2, slot: 1, pid: 1002, generation: 1, stage: 'draining', ageMs: 2500, reason: 'scaled down' },
    { id: 3, slot: 0, pid: 1003, generation: 1, stage: 'booting', ageMs: 1500 },
  ]);
  const orphan = { ...story.state, workers: [{ ...story.state.workers[0]!, id: 9 }] };
  expect(status(orphan, 0).workers[0]).not.toHaveProperty('pid');
});

test('fewer serve than there are to be: the slots that wait, and the workers that boot', () => {
  const story = serving(2);
  story.at(1000, exited(1));
  story.at(1000, exited(2));
  story.at(2000, exited(3));
  const { capacity } = status(story.state, 2000);
  expect(capacity).toMatchObject({ serving: 0, of: 2 });
  expect(capacity.reason).toMatch(/^slot 0: 2 failures in a row, next try in \d\.\d s; 1 worker boots$/);
});

test('the last death: only one that nobody asked for, with the best cause that is known', () => {
  const { state } = serving(1);
  const death = { worker: 1, slot: 0, pid: 7, generation: 1, at: at.toISOString() };
  expect(deathOf(exited(1), state, 7, at)).toEqual({ ...death, cause: 'exit code 1' });
  expect(deathOf({ ...exited(1), words: 'Error: boom' }, state, 7, at)).toEqual({ ...death, cause: 'Error: boom' });
  const killed = { type: 'exited', id: 1, code: null, signal: 'SIGKILL' } as const;
  expect(deathOf(killed, state, undefined, at)?.cause).toBe('signal SIGKILL');
  expect(deathOf(killed, state, undefined, at)).not.toHaveProperty('pid');
  expect(deathOf(exited(5), state, 7, at)).toBeUndefined();
  expect(deathOf(tick(), state, 7, at)).toBeUndefined();
  const story = serving(1);
  story.at(0, stop);
  expect(deathOf(exited(1), story.state, 7, at)).toBeUndefined();
});

test('the manual has every field of the schema', () => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, '../../..', path), 'utf8');
  const code = read('src/shared/status.ts').replaceAll(/\/\*\*.*?\*\//gs, '');
  const fields = [...code.matchAll(/(\w+)\??: /g)].map(([, name]) => name as string);
  expect(fields.length).toBeGreaterThan(30);
  const page = read('man/control-socket.md');
  expect(fields.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
