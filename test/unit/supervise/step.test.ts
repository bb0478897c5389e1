import { describe, expect, test } from 'vitest';
import type { Event } from '../../../src/supervise/model.ts';
import { exited, failed, leaving, loaded, retiring, Story, scale, serves, serving, tick } from './story.ts';

describe('start', () => {
  test('a canary goes first, the others follow when it serves', () => {
    const story = new Story(3);
    expect(story.at(0, tick())).toEqual(['spawn 1 in 0']);
    expect(story.wakeAt).toBe(60_000);
    expect(story.at(100, loaded(1))).toEqual(['listen 1']);
    expect(story.wakeAt).toBe(60_100);
    expect(story.at(110, serves(1))).toEqual(['spawn 2 in 1', 'spawn 3 in 2']);
    expect(story.at(200, loaded(3))).toEqual(['listen 3']);
    expect(story.at(210, serves(3))).toEqual([]);
    expect(story.at(300, loaded(2))).toEqual(['listen 2']);
    expect(story.at(310, serves(2))).toEqual([]);
    expect(story.wakeAt).toBeNull();
    expect(story.state).toMatchObject({ servedGeneration: 1, nextId: 4, failures: {} });
  });

  test.each([3, 4])('an application that says why it cannot load ends the start with its code, %i', (exitCode) => {
    const story = new Story(3);
    story.at(0, tick());
    expect(story.at(50, failed(1, exitCode))).toEqual(['drain 1 quick: it throws']);
    expect(story.at(60, exited(1, exitCode))).toEqual([`halt ${exitCode}: it throws`]);
    expect(story.wakeAt).toBeNull();
  });

  test.each<[string, (story: Story) => void]>([
    ['while it loads', () => {}],
    ['before it serves', (story) => story.at(10, loaded(1))],
  ])('a canary that dies %s ends the start with code 3', (_, before) => {
    const story = new Story(3);
    story.at(0, tick());
    before(story);
    expect(story.at(50, exited(1, 0))).toEqual(['halt 3: the application failed to boot']);
  });

  test('a canary that never loads is killed, has no successor, and ends the start with code 3', () => {
    const story = new Story(2);
    story.at(0, tick());
    expect(story.at(59_999, tick())).toEqual([]);
    expect(story.at(60_000, tick())).toEqual(['kill 1: boot timeout']);
    expect(story.at(60_010, exited(1, null, 'SIGKILL'))).toEqual(['halt 3: the application failed to boot']);
  });

  test('a canary that says in the last moment that it has loaded is not killed', () => {
    const story = new Story(1);
    story.at(0, tick());
    expect(story.at(60_000, loaded(1))).toEqual(['listen 1']);
    expect(story.wakeAt).toBe(120_000);
  });

  test('a canary that was sent SIGTERM is no failure: the next one is tried', () => {
    const story = new Story(2);
    story.at(0, tick());
    expect(story.at(50, leaving(1))).toEqual(['spawn 2 in 0']);
    expect(story.at(60, exited(1, 0))).toEqual([]);
  });
});

describe('scaling', () => {
  test('up fills the next slot, down empties the last one', () => {
    const story = serving(2);
    expect(story.at(10, scale(1))).toEqual(['spawn 3 in 2']);
    expect(story.at(20, scale(-2))).toEqual(['drain 2 graceful: scaled down', 'drain 3 quick: scaled down']);
    expect(story.commands[0]).toMatchObject({ lingerMs: 10_000, timeoutMs: 30_000 });
    expect(story.commands[1]).toMatchObject({ lingerMs: 0, timeoutMs: 1000 });
    expect(story.at(30, scale(1))).toEqual(['spawn 4 in 1']);
    expect(story.at(40, exited(2, 0))).toEqual([]);
  });

  test('one worker stays', () => {
    const story = serving(2);
    expect(story.at(10, scale(-5))).toEqual(['drain 2 graceful: scaled down']);
    expect(story.at(20, scale(-1))).toEqual([]);
    expect(story.state.goal.workers).toBe(1);
  });

  test('a slot that went takes its failures along, those that die later included', () => {
    const story = serving(2);
    story.at(0, exited(2));
    story.at(0, exited(3));
    story.at(10, scale(-1));
    expect(story.state.failures).toEqual({});
    expect(story.at(20, scale(1))).toEqual(['spawn 4 in 1']);
    story.at(60_020, tick());
    story.at(60_030, scale(-1));
    story.at(60_040, exited(4, null, 'SIGKILL'));
    expect(story.state.failures).toEqual({});
  });

  test('before the canary serves, it only changes how many will follow', () => {
    const story = new Story(1);
    story.at(0, tick());
    expect(story.at(10, scale(1))).toEqual([]);
    story.at(20, loaded(1));
    expect(story.at(30, serves(1))).toEqual(['spawn 2 in 1']);
  });
});

describe('leaving and retiring', () => {
  test('who leaves by itself is replaced at once and may finish its requests', () => {
    const story = serving(2);
    expect(story.at(1000, leaving(1))).toEqual(['spawn 3 in 0']);
    expect(story.at(1100, leaving(1))).toEqual([]);
    expect(story.at(9000, exited(1, 0))).toEqual([]);
    expect(story.state.failures).toEqual({});
  });

  test('who retires serves until its replacement does', () => {
    const story = serving(2);
    expect(story.at(1000, retiring(2))).toEqual(['spawn 3 in 1']);
    expect(story.at(1100, retiring(2, 'age')), 'the first reason stays').toEqual([]);
    expect(story.at(1500, loaded(3))).toEqual(['listen 3']);
    expect(story.stage(2)).toBe('serving');
    expect(story.at(1600, serves(3))).toEqual(['drain 2 graceful: memory']);
    expect(story.at(1700, exited(2, 0))).toEqual([]);
  });

  test('who retires stays when its replacement fails', () => {
    const story = serving(1);
    story.at(1000, retiring(1));
    expect(story.at(1100, exited(2))).toEqual(['spawn 3 in 0']);
    expect(story.at(1200, exited(3))).toEqual([]);
    expect(story.stage(1)).toBe('serving');
    expect(story.wakeAt).toBeGreaterThan(1200);
  });
});

describe('facts that cannot be', () => {
  const impossible: [string, Event][] = [
    ['unknown workers', loaded(9)],
    ['unknown workers', serves(9)],
    ['unknown workers', leaving(9)],
    ['unknown workers', retiring(9)],
    ['unknown workers', failed(9)],
    ['unknown workers', exited(9)],
    ['serving without having loaded', serves(1)],
  ];
  test.each(impossible)('%s change nothing: %j', (_, event) => {
    for (const story of [new Story(1), serving(1)]) {
      if (story.state.workers.length === 0) story.at(0, tick());
      const before = story.state;
      expect(story.at(10, event)).toEqual([]);
      expect(story.state).toEqual(before);
    }
  });

  test.each([loaded(2), serves(2), leaving(2), retiring(2)])('who was told to go is not called back: %j', (event) => {
    const story = serving(2);
    story.at(10, scale(-1));
    const before = story.state;
    expect(story.at(20, event)).toEqual([]);
    expect(story.state).toEqual(before);
  });
});
