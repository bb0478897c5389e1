/** A rollout, event by event: what proves itself takes over, and what does not changes nothing. */
import { describe, expect, test } from 'vitest';
import { outcomeLine } from '../../../src/supervise/journal.ts';
import type { Event } from '../../../src/supervise/model.ts';
import { exited, failed, loaded, pause, reload, Story, scale, serves, serving, stop, tick } from './story.ts';

/** @returns what is commanded while the worker boots and comes to serve */
function boots(story: Story, id: number, now: number): string[] {
  return [...story.at(now, loaded(id)), ...story.at(now, serves(id))];
}

const outcome = (story: Story): string | undefined => story.state.lastRollout?.outcome;

describe('rolling', () => {
  test('the canary first, then one by one; each old worker leaves when its replacement serves', () => {
    const story = serving(3);
    expect(story.at(100, reload(2))).toEqual(['spawn 4 in 0']);
    expect(boots(story, 4, 200)).toEqual(['listen 4', 'drain 1 graceful: reload', 'spawn 5 in 1']);
    expect(story.state.goal.generation).toBe(2);
    expect(boots(story, 5, 300)).toEqual(['listen 5', 'drain 2 graceful: reload', 'spawn 6 in 2']);
    expect(outcome(story)).toBeUndefined();
    expect(boots(story, 6, 400)).toEqual(['listen 6', 'drain 3 graceful: reload']);
    expect(outcome(story)).toBe('done');
    expect(story.state.rollout).toBeUndefined();
  });

  test('after the canary, as many as the surge allows', () => {
    const story = serving(4);
    story.at(100, reload(2, { surge: 2 }));
    expect(boots(story, 5, 200)).toEqual(['listen 5', 'drain 1 graceful: reload', 'spawn 6 in 1', 'spawn 7 in 2']);
  });

  test('with so many draining as may be, it waits', () => {
    const story = serving(3);
    story.at(100, reload(2, { maxDraining: 1 }));
    expect(boots(story, 4, 200)).toEqual(['listen 4', 'drain 1 graceful: reload']);
    expect(story.at(300, exited(1, 0))).toEqual(['spawn 5 in 1']);
  });

  test('the canary has to serve for its minimum', () => {
    const story = serving(2);
    story.at(100, reload(2, { minUptimeMs: 500 }));
    expect(boots(story, 3, 200)).toEqual(['listen 3']);
    expect(story.wakeAt).toBe(700);
    expect(story.at(700, tick())).toEqual(['drain 1 graceful: reload', 'spawn 4 in 1']);
  });

  test.each<[string, (story: Story) => void]>([
    ['says that it failed', (story) => void [story.at(150, failed(3)), story.at(160, exited(3, 3))]],
    ['exits', (story) => void story.at(150, exited(3, 0))],
    ['takes too long', (story) => void [story.at(60_100, tick()), story.at(60_200, exited(3, null, 'SIGKILL'))]],
    ['dies within its minimum', (story) => void [boots(story, 3, 150), story.at(160, exited(3, 1))]],
  ])('a canary that %s changes nothing', (_, end) => {
    const story = serving(2);
    story.at(100, reload(2, { minUptimeMs: 500, workers: 4 }));
    end(story);
    expect(outcome(story)).toBe('failed');
    expect(story.state.goal).toEqual({ workers: 2, generation: 1 });
    expect(story.state.workers.map(({ id, stage }) => [id, stage])).toEqual([
      [1, 'serving'],
      [2, 'serving'],
    ]);
    expect(story.state.failures).toEqual({});
    expect(story.at(61_000, exited(1)), 'replacements come from the old generation').toEqual(['spawn 4 in 0']);
    expect(story.state.workers.find(({ id }) => id === 4)?.generation).toBe(1);
  });

  test('a later worker that fails is tried again; after the attempts the outcome is mixed', () => {
    const story = serving(2);
    story.at(100, reload(2, { attempts: 2 }));
    boots(story, 3, 200);
    story.at(250, exited(1, 0));
    expect(story.at(300, exited(4))).toEqual(['spawn 5 in 1']);
    expect(story.at(400, exited(5))).toEqual([]);
    expect(outcome(story)).toBe('mixed');
    expect(story.stage(2)).toBe('serving');
    expect(story.at(20_000, exited(2)), 'replacements use the new generation').toEqual(['spawn 6 in 1']);
    expect(story.state.workers.find(({ id }) => id === 6)?.generation).toBe(2);
  });

  test('one that dies soon after it came to serve has failed as well, and no other is given up meanwhile', () => {
    const story = serving(3);
    story.at(100, reload(2, { attempts: 2 }));
    boots(story, 4, 200);
    expect(story.at(250, exited(4))).toEqual(['spawn 6 in 0']);
    expect(boots(story, 5, 300)).toEqual(['listen 5', 'drain 2 graceful: reload']);
    expect(boots(story, 6, 350)).toEqual(['listen 6']);
    expect(story.wakeAt).toBe(10_350);
    story.at(400, exited(6));
    expect(outcome(story)).toBe('mixed');
    expect(story.stage(3)).toBe('serving');
  });

  test('it goes on when the one in its place has served for a while', () => {
    const story = serving(3);
    story.at(100, reload(2));
    boots(story, 4, 200);
    story.at(250, exited(4));
    boots(story, 5, 300);
    boots(story, 6, 350);
    expect(story.at(10_350, tick())).toEqual(['spawn 7 in 2']);
    boots(story, 7, 10_400);
    expect(outcome(story)).toBe('done');
  });

  test('an old worker that dies meanwhile is replaced from the generation that has proved itself', () => {
    const story = serving(2);
    story.at(100, reload(2));
    expect(story.at(150, exited(1))).toEqual(['spawn 4 in 0']);
    expect(story.state.workers.find(({ id }) => id === 4)?.generation).toBe(1);
    expect(boots(story, 3, 200), 'the canary takes over, the other is not needed').toEqual([
      'listen 3',
      'drain 4 quick: its generation is not wanted',
      'spawn 5 in 1',
    ]);
  });

  test('a new number of workers comes with the proof', () => {
    const story = serving(2);
    story.at(100, reload(2, { workers: 1 }));
    expect(story.state.goal.workers).toBe(2);
    expect(boots(story, 3, 200)).toEqual(['listen 3', 'drain 2 graceful: scaled down', 'drain 1 graceful: reload']);
    expect(outcome(story)).toBe('done');
  });
});

describe('atomic', () => {
  test('all are there before one of them accepts', () => {
    const story = serving(2);
    expect(story.at(100, reload(2, { strategy: 'atomic' }))).toEqual(['spawn 3 in 0']);
    expect(story.at(200, loaded(3))).toEqual(['spawn 4 in 1']);
    expect(story.at(300, loaded(4))).toEqual(['listen 3', 'listen 4']);
    expect(story.at(310, serves(3))).toEqual(['drain 1 graceful: reload']);
    expect(story.at(320, serves(4))).toEqual(['drain 2 graceful: reload']);
    expect(outcome(story)).toBe('done');
  });

  test('any failure leaves everything as it was', () => {
    const story = serving(2);
    story.at(100, reload(2, { strategy: 'atomic' }));
    story.at(200, loaded(3));
    expect(story.at(300, exited(4))).toEqual(['drain 3 quick: its generation is not wanted']);
    expect(outcome(story)).toBe('failed');
    expect([story.stage(1), story.stage(2)]).toEqual(['serving', 'serving']);
  });
});

describe('what comes between', () => {
  test('the newer reload wins', () => {
    const story = serving(2);
    story.at(100, reload(2));
    expect(story.at(150, reload(3))).toEqual(['drain 3 quick: its generation is not wanted', 'spawn 4 in 0']);
    expect(boots(story, 4, 200)).toEqual(['listen 4', 'drain 1 graceful: reload', 'spawn 5 in 1']);
  });

  test('before anything has served, a reload starts the new generation instead', () => {
    const story = serving(1);
    const young = { ...story.state, servedGeneration: 0 };
    story.state = { ...young, workers: [{ ...young.workers[0]!, stage: 'booting', deadline: 60_000 }] };
    delete (story.state.workers[0] as { listenOrdered?: true }).listenOrdered;
    expect(story.at(100, reload(2))).toEqual(['drain 1 quick: its generation is not wanted', 'spawn 2 in 0']);
    expect(story.at(200, failed(2))).toEqual(['drain 2 quick: it throws']);
    expect(story.state.goal.stop).toMatchObject({ exitCode: 3 });
  });

  test.each<[string, Event]>([
    ['a stop', stop('graceful')],
    ['a pause', pause()],
  ])('%s ends a rollout', (_, event) => {
    const story = serving(1);
    story.at(100, reload(2));
    expect(story.at(200, event)).toHaveLength(2);
    expect(outcome(story)).toBe('failed');
  });

  test('a pause keeps the goal: one more worker, or a reload, brings them back', () => {
    for (const event of [scale(1), reload(2)]) {
      const story = serving(2);
      expect(story.at(100, pause())).toEqual(['drain 1 graceful: paused', 'drain 2 graceful: paused']);
      expect(story.at(150, scale(-1))).toEqual([]);
      for (const id of [1, 2]) story.at(200, exited(id, 0));
      expect(story.at(300, event)).toContain('spawn 3 in 0');
      expect(story.state.goal).toMatchObject({ workers: 2 });
    }
  });
});

test('its end has one line', () => {
  const pidOf = (id: number): number => id + 100;
  const story = serving(1);
  story.at(100, reload(2));
  story.at(200, failed(2));
  const before = story.state;
  story.at(1100, exited(2, 3));
  expect(outcomeLine(before, story.state, pidOf)).toMatchObject({
    level: 'error',
    message: 'reload failed: generation 2 did not come up after 1.0 s (it throws); generation 1 serves on',
    fields: { event: 'rollout', outcome: 'failed', generation: 2, cause: 'it throws', durationMs: 1000 },
  });
  expect(outcomeLine(story.state, story.state, pidOf)).toBeUndefined();
});

test('the first start fails after a reload has taken its place: the new one goes on', () => {
  const story = new Story(1);
  story.at(0, tick());
  story.at(100, reload(2));
  expect(story.at(200, failed(1))).toEqual([]);
  expect(story.at(210, exited(1, 3))).toEqual([]);
  expect(boots(story, 2, 300)).toEqual(['listen 2']);
  expect(outcome(story)).toBe('done');
});
