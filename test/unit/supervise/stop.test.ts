import { describe, expect, test } from 'vitest';
import { exited, failed, leaving, loaded, retiring, Story, scale, serves, serving, stop, tick } from './story.ts';

describe('stop', () => {
  test('graceful: all finish, and the last one out halts', () => {
    const story = serving(2);
    expect(story.at(1000, stop('graceful'))).toEqual(['drain 1 graceful: SIGTERM', 'drain 2 graceful: SIGTERM']);
    expect(story.commands[0]).toMatchObject({ lingerMs: 2000, timeoutMs: 30_000 });
    expect(story.at(1500, exited(2, 0))).toEqual([]);
    expect(story.at(1600, exited(1, 143))).toEqual(['halt 0: SIGTERM']);
    expect(story.wakeAt).toBeNull();
  });

  test('quick: all leave at once', () => {
    const story = serving(2);
    expect(story.at(1000, stop('quick'))).toEqual(['drain 1 quick: SIGINT', 'drain 2 quick: SIGINT']);
    expect(story.commands[0]).toMatchObject({ lingerMs: 0, timeoutMs: 1000 });
    expect(story.wakeAt).toBe(3000);
  });

  test('who boots has nothing to finish, who was told to listen may have', () => {
    const story = serving(1);
    story.at(0, scale(2));
    expect(story.at(10, loaded(3))).toEqual(['listen 3']);
    expect(story.at(20, stop('graceful'))).toEqual([
      'drain 1 graceful: SIGTERM',
      'drain 2 quick: SIGTERM',
      'drain 3 graceful: SIGTERM',
    ]);
    expect(story.at(21, serves(3))).toEqual([]);
    expect(story.stage(3)).toBe('draining');
  });

  test('a quick one overtakes a graceful one, and not the other way round', () => {
    const story = serving(2);
    story.at(0, scale(-1));
    story.at(1000, stop('graceful'));
    expect(story.at(2000, stop('graceful'))).toEqual([]);
    expect(story.at(3000, stop('quick', 1))).toEqual(['drain 1 quick: SIGTERM', 'drain 2 quick: SIGTERM']);
    expect(story.at(3100, stop('graceful'))).toEqual([]);
    expect(story.at(3200, stop('quick'))).toEqual([]);
    story.at(3300, exited(1, 0));
    expect(story.at(3400, exited(2, 0)), 'as the first one said').toEqual(['halt 0: SIGTERM']);
  });

  test('while the canary boots it ends with code 0, whatever the canary says', () => {
    const story = new Story(2);
    story.at(0, tick());
    expect(story.at(10, stop('graceful'))).toEqual(['drain 1 quick: SIGTERM']);
    expect(story.at(20, failed(1))).toEqual([]);
    expect(story.at(30, exited(1, 3))).toEqual(['halt 0: SIGTERM']);
  });

  test('while nobody lives it halts at once, and waits for no backoff', () => {
    const story = serving(1);
    story.at(0, exited(1));
    story.at(0, exited(2));
    expect(story.state.workers).toEqual([]);
    expect(story.at(10, stop('graceful'))).toEqual(['halt 0: SIGTERM']);
  });

  test('nobody is spawned, and after the halt nothing is commanded', () => {
    const story = serving(2);
    story.at(0, retiring(1));
    story.at(1000, stop('graceful'));
    expect(story.at(1100, scale(3))).toEqual([]);
    for (const id of [1, 2]) expect(story.at(1200, exited(id))).toEqual([]);
    expect(story.at(1300, exited(3))).toEqual(['halt 0: SIGTERM']);
    for (const event of [tick(), scale(1), stop('quick'), exited(3), failed(1)]) {
      expect(story.at(90_000, event)).toEqual([]);
      expect(story.wakeAt).toBeNull();
    }
  });
});

describe('overdue', () => {
  test('who does not finish in time is killed, a margin after its own limit', () => {
    const story = serving(1);
    story.at(0, stop('graceful'));
    expect(story.wakeAt).toBe(31_000);
    expect(story.at(30_999, tick())).toEqual([]);
    expect(story.at(31_000, tick())).toEqual(['kill 1: graceful timeout']);
  });

  test('so is who left by itself', () => {
    const story = serving(1);
    story.at(0, leaving(1));
    expect(story.at(31_000, tick())).toContain('kill 1: graceful timeout');
    expect(story.state.workers[0]?.cause, 'the first cause stays').toBe('SIGTERM');
    story.at(31_010, exited(1, null, 'SIGKILL'));
    expect(story.state.failures).toEqual({});
  });

  test('who is still there after a kill is killed again', () => {
    const story = serving(1);
    story.at(0, stop('quick'));
    expect(story.at(2000, tick())).toEqual(['kill 1: quick stop timeout']);
    expect(story.wakeAt).toBe(7000);
    expect(story.at(7000, tick())).toEqual(['kill 1: still alive after SIGKILL']);
    expect(story.at(12_000, tick())).toEqual(['kill 1: still alive after SIGKILL']);
    expect(story.at(12_500, exited(1, null, 'SIGKILL'))).toEqual(['halt 0: SIGINT']);
  });

  test('who was told to listen and does not is killed and replaced', () => {
    const story = serving(1);
    story.at(0, scale(1));
    story.at(500, loaded(2));
    expect(story.at(60_500, tick())).toEqual(['kill 2: boot timeout', 'spawn 3 in 1']);
  });

  test('a tick that comes late gives all as much time more, except those who were killed', () => {
    const story = serving(2);
    story.at(0, stop('graceful'));
    // Whose deadline has come may have spoken meanwhile: it is killed when it stays silent now, too.
    expect(story.at(32_001, tick(1001))).toEqual([]);
    expect(story.wakeAt).toBe(33_001);
    expect(story.at(33_001, tick())).toEqual(['kill 1: graceful timeout', 'kill 2: graceful timeout']);
    expect(story.at(39_002, tick(1001))).toEqual([
      'kill 1: still alive after SIGKILL',
      'kill 2: still alive after SIGKILL',
    ]);
  });

  test('a late tick puts off later deadlines, too', () => {
    const story = serving(1);
    story.at(0, stop('graceful'));
    expect(story.at(21_000, tick(20_000))).toEqual([]);
    expect(story.wakeAt).toBe(51_000);
  });

  test('a little late is in time', () => {
    const story = serving(1);
    story.at(0, stop('graceful'));
    expect(story.at(32_000, tick(1000))).toEqual(['kill 1: graceful timeout']);
  });
});
