import { describe, expect, test } from 'vitest';
import { backoffMs, unitFrom } from '../../../src/supervise/backoff.ts';
import { exited, failed, leaving, loaded, policy, type Story, serves, serving, tick } from './story.ts';

describe('death and replacement', () => {
  test('the dead one is replaced at once, in its slot and by a new id', () => {
    const story = serving(3);
    expect(story.at(5000, exited(2, null, 'SIGKILL'))).toEqual(['spawn 4 in 1']);
    expect(story.state.failures).toEqual({ 1: { count: 1, retryAt: 5000 } });
  });

  test('one that fails to boot later only backs off, more each time', () => {
    const story = serving(2);
    story.at(1000, exited(2));
    let [now, id] = [1000, 3];
    for (const fullMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      expect(story.at(now, failed(id))).toEqual([]);
      expect(story.at(now, exited(id, 3))).toEqual([]);
      const waits = story.wakeAt! - now;
      expect(waits).toBeGreaterThanOrEqual(fullMs / 2);
      expect(waits).toBeLessThanOrEqual(fullMs);
      now += waits;
      expect(story.at(now - 1, tick())).toEqual([]);
      expect(story.at(now, tick())).toEqual([`spawn ${++id} in 1`]);
    }
    expect(story.stage(1)).toBe('serving');
    expect(story.state.goal.stop).toBeUndefined();
  });

  /** Its slot has three failures behind it; worker 5 serves from 10 s on. */
  function troubled(): Story {
    const story = serving(2);
    story.at(0, exited(2));
    story.at(0, exited(3));
    story.at(5000, tick());
    story.at(5000, exited(4));
    story.at(9000, tick());
    story.at(9500, loaded(5));
    story.at(10_000, serves(5));
    expect(story.state.failures[1]?.count).toBe(3);
    return story;
  }

  test('one that served for a while has no failures behind it, one that did not has', () => {
    expect(troubled().at(20_000, exited(5))).toEqual(['spawn 6 in 1']);
    const story = troubled();
    expect(story.at(19_999, exited(5))).toEqual([]);
    expect(story.state.failures[1]).toMatchObject({ count: 4 });
  });

  test('so it is too when it leaves in good order', () => {
    const story = troubled();
    expect(story.at(20_000, leaving(5))).toEqual(['spawn 6 in 1']);
    story.at(20_500, exited(5, 0));
    expect(story.state.failures).toEqual({});
    expect(story.at(21_000, exited(6))).toEqual(['spawn 7 in 1']);
  });

  test('one that hangs while it boots is killed and counts, also when it had said why', () => {
    const story = serving(1);
    story.at(0, exited(1));
    story.at(0, exited(2));
    expect(story.at(1000, tick())).toEqual(['spawn 3 in 0']);
    story.at(2000, failed(3));
    story.at(61_000, tick());
    expect(story.stage(3)).toBe('killed');
    story.at(61_010, exited(3, null, 'SIGKILL'));
    expect(story.state.failures[0]?.count).toBe(3);
  });
});

describe('backoff', () => {
  test('none after the first failure, then between half and all of what doubles up to the cap', () => {
    expect([0, 1].map((count) => backoffMs(count, 0.9, policy))).toEqual([0, 0]);
    expect([2, 3, 4, 5, 6, 7, 1000].map((count) => backoffMs(count, 0, policy))).toEqual([
      500, 1000, 2000, 4000, 8000, 15_000, 15_000,
    ]);
    expect(backoffMs(4, 0.5, policy)).toBe(3000);
    expect(backoffMs(1000, 0.999_999, policy)).toBe(30_000);
  });

  test('slots do not march in step, and the same seed gives the same', () => {
    const units = Array.from({ length: 1000 }, (_, id) => unitFrom(7, id));
    expect(new Set(units).size).toBe(1000);
    expect(Math.min(...units)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...units)).toBeLessThan(1);
    for (const tenth of Array(10).keys()) {
      const share = units.filter((unit) => Math.floor(unit * 10) === tenth).length;
      expect(share).toBeGreaterThan(60);
      expect(share).toBeLessThan(140);
    }
    expect(unitFrom(7, 3)).toBe(units[3]);
    expect(unitFrom(8, 3)).not.toBe(units[3]);
  });
});
