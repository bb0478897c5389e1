import { describe, expect, test } from 'vitest';
import { commandLine, eventLine, type Line } from '../../../src/supervise/journal.ts';
import type { Command, Event } from '../../../src/supervise/model.ts';
import {
  exited,
  failed,
  leaving,
  loaded,
  pause,
  reload,
  retiring,
  Story,
  scale,
  serves,
  serving,
  stop,
  tick,
} from './story.ts';

const pidOf = (id: number): number => 100 + id;
const noPid = (): undefined => undefined;

/** The line of an event that happens to the story. */
function tell(story: Story, now: number, event: Event, pid: (id: number) => number | undefined = pidOf): Line {
  const before = story.state;
  story.at(now, event);
  return eventLine(event, before, story.state, now, pid)!;
}

/** The lines of what the story commands then. */
function orders(story: Story, now: number, event: Event): Line[] {
  story.at(now, event);
  return story.commands.map((command) => commandLine(command, story.state, pidOf));
}

/** With two failures behind slot 1: worker 4 boots there since 5 s. */
function troubled(): Story {
  const story = serving(2);
  story.at(0, exited(2));
  story.at(0, exited(3));
  story.at(5000, tick());
  return story;
}

const who = (worker: number, slot: number) => ({ worker, slot, pid: 100 + worker, generation: 1 });

/** The names that people's log queries are built on; the manual lists them. */
const stable = {
  tick: ['event', 'lateMs'],
  loaded: ['event', 'worker', 'slot', 'pid', 'generation'],
  serving: ['event', 'worker', 'slot', 'pid', 'generation', 'bootMs'],
  leaving: ['event', 'worker', 'slot', 'pid', 'generation', 'reason'],
  retiring: ['event', 'worker', 'slot', 'pid', 'generation', 'reason'],
  failed: ['event', 'worker', 'slot', 'pid', 'generation', 'cause'],
  exited: [
    ...['event', 'worker', 'slot', 'pid', 'generation'],
    ...['cause', 'code', 'signal', 'ageMs', 'failures', 'retryInMs'],
  ],
  scale: ['event', 'from', 'to'],
  pause: ['event', 'reason'],
  reload: ['event', 'generation', 'strategy'],
  stop: ['event', 'how', 'reason'],
  spawn: ['event', 'worker', 'slot', 'pid', 'generation'],
  listen: ['event', 'worker', 'slot', 'pid', 'generation'],
  drain: ['event', 'worker', 'slot', 'pid', 'generation', 'how', 'reason'],
  kill: ['event', 'worker', 'slot', 'pid', 'generation', 'cause'],
  halt: ['event', 'exitCode', 'reason'],
} as const satisfies Record<Event['type'] | Command['type'], readonly string[]>;

function checkFields(line: Line, type: keyof typeof stable): void {
  expect(line.fields.event).toBe(type);
  expect(Object.keys(line.fields)).toEqual(stable[type]);
}

describe('every event has its line', () => {
  const booting = (): Story => {
    const story = new Story(1);
    story.at(0, tick());
    return story;
  };
  const standby = (): Story => {
    const story = booting();
    story.at(300, loaded(1));
    return story;
  };
  const one = who(1, 0);
  test.each<[Event, Story, Line['level'], string, Line['fields']]>([
    [tick(3), serving(1), 'trace', 'tick', { lateMs: 3 }],
    [loaded(1), booting(), 'debug', 'worker 1 (pid 101) has loaded the application (a handler)', one],
    [serves(1), standby(), 'info', 'worker 1 (pid 101) serves after 1.0 s', { ...one, bootMs: 1000 }],
    [leaving(1), serving(1), 'info', 'worker 1 (pid 101) leaves: SIGTERM', { ...one, reason: 'SIGTERM' }],
    [retiring(1), serving(1), 'info', 'worker 1 (pid 101) is to be replaced: memory', { ...one, reason: 'memory' }],
    [failed(1), booting(), 'error', 'worker 1 (pid 101) failed to boot: it throws', { ...one, cause: 'it throws' }],
    [
      exited(1),
      serving(1),
      'error',
      'worker 1 (pid 101) exited with code 1 after 1.0 s; replaced at once',
      { ...one, cause: 'exit code 1', code: 1, signal: null, ageMs: 1000, failures: 1, retryInMs: 0 },
    ],
    [scale(1), serving(1), 'info', 'scaled from 1 to 2 workers', { from: 1, to: 2 }],
    [scale(-1), serving(2), 'info', 'scaled from 2 to 1 worker', { from: 2, to: 1 }],
    [scale(-1), serving(1), 'info', 'still 1 worker: there has to be one', { from: 1, to: 1 }],
    [
      pause(),
      serving(1),
      'warn',
      'SIGWINCH: all workers leave, the sockets stay; HUP or TTIN brings workers back',
      { reason: 'SIGWINCH' },
    ],
    [
      reload(2),
      serving(1),
      'info',
      'reload: generation 2 is to take over (rolling)',
      { generation: 2, strategy: 'rolling' },
    ],
    [
      stop('graceful'),
      serving(2),
      'info',
      'SIGTERM: stopping 2 workers gracefully',
      { how: 'graceful', reason: 'SIGTERM' },
    ],
    [stop('quick'), serving(1), 'info', 'SIGINT: stopping 1 worker at once', { how: 'quick', reason: 'SIGINT' }],
  ])('%j', (event, story, level, message, fields) => {
    const line = tell(story, 1000, event);
    expect(line).toEqual({ level, message, fields: { event: event.type, ...fields } });
    checkFields(line, event.type);
  });

  test('a stop that ends with a failure is an error', () => {
    expect(tell(serving(1), 0, stop('quick', 1)).level).toBe('error');
  });

  test('what changes nothing has none: a stop no stronger than the present one, a word of nobody', () => {
    const story = serving(2);
    tell(story, 0, stop('graceful'));
    expect(tell(story, 1, stop('graceful'))).toBeUndefined();
    expect(tell(story, 2, stop('quick')).message).toBe('SIGINT: stopping 2 workers at once');
    expect(tell(story, 3, stop('graceful'))).toBeUndefined();
    for (const event of [loaded(9), failed(9), exited(9)]) expect(tell(story, 4, event)).toBeUndefined();
  });
});

describe('a death is told with its reason', () => {
  test('failures in a row, and when the next try is', () => {
    const story = troubled();
    const line = tell(story, 8200, exited(4));
    const retryInMs = story.state.failures[1]!.retryAt - 8200;
    expect(line.message).toBe(
      `worker 4 (pid 104) exited with code 1 after 3.2 s; 3 failures in a row; next try in ${(retryInMs / 1000).toFixed(1)} s`,
    );
    expect(line.fields).toMatchObject({ ageMs: 3200, failures: 3, retryInMs });
    expect(retryInMs).toBeGreaterThanOrEqual(1000);
    checkFields(line, 'exited');
  });

  test('two failures are a row', () => {
    const story = serving(1);
    story.at(0, exited(1));
    expect(tell(story, 0, exited(2)).message).toContain('; 2 failures in a row; next try in ');
  });

  test('a canary has no next try', () => {
    const story = new Story(1);
    story.at(0, tick());
    const line = tell(story, 500, exited(1));
    expect(line.message).toBe('worker 1 (pid 101) exited with code 1 after 0.50 s');
    expect(line).toMatchObject({ level: 'error', fields: { failures: undefined, retryInMs: undefined } });
  });

  test('by a signal', () => {
    const line = tell(serving(1), 500, exited(1, null, 'SIGKILL'));
    expect(line.message).toBe('worker 1 (pid 101) was killed by SIGKILL after 0.50 s; replaced at once');
    expect(line.fields).toMatchObject({ cause: 'signal SIGKILL', code: null, signal: 'SIGKILL' });
  });

  test('with its last words', () => {
    const words = 'TypeError: no such thing';
    expect(tell(serving(1), 2000, { type: 'exited', id: 1, code: 1, signal: null, words }).message).toBe(
      'worker 1 (pid 101) exited with code 1 after 2.0 s (TypeError: no such thing); replaced at once',
    );
  });

  test('one that could not be started has no pid, and no exit code to blame', () => {
    const detail = 'could not be started: spawn EAGAIN';
    const line = tell(troubled(), 5000, { type: 'exited', id: 4, code: null, signal: null, detail }, noPid);
    expect(line.message).toContain(
      'worker 4 could not be started: spawn EAGAIN after 0.00 s; 3 failures in a row; next',
    );
    expect(line.fields).toMatchObject({ pid: undefined, cause: detail });
  });

  test('one that was killed since it never came to serve', () => {
    const story = troubled();
    story.at(65_000, tick());
    const line = tell(story, 65_010, exited(4, null, 'SIGKILL'));
    expect(line.level).toBe('error');
    expect(line.message).toContain(
      'was killed by SIGKILL after 60.0 s (boot timeout); 3 failures in a row; next try in',
    );
    expect(line.fields).toMatchObject({ cause: 'boot timeout', failures: 3 });
  });

  test.each<[string, (story: Story) => void, string]>([
    ['who left by itself', (story) => story.at(1000, leaving(1)), 'SIGTERM'],
    ['who was told to', (story) => story.at(1000, stop('graceful')), 'exit code 0'],
  ])('%s did not fail', (_, before, cause) => {
    const story = serving(1);
    before(story);
    const line = tell(story, 3000, exited(1, 0));
    expect(line).toMatchObject({ level: 'info', message: 'worker 1 (pid 101) exited with code 0 after 3.0 s' });
    expect(line.fields).toMatchObject({ cause, failures: undefined, retryInMs: undefined });
  });
});

describe('every command has its line', () => {
  const standby = (): [Story, number, Event] => [new Story(1), 0, tick()];
  const boots = (): [Story, number, Event] => {
    const story = new Story(1);
    story.at(0, tick());
    return [story, 10, loaded(1)];
  };
  const stopping = (): [Story, number, Event] => {
    const story = serving(1);
    story.at(0, stop('graceful'));
    return [story, 31_000, tick()];
  };
  const one = who(1, 0);
  test.each<[Command['type'], [Story, number, Event], Line['level'], string, Line['fields']]>([
    ['spawn', standby(), 'info', 'booting worker 1 (pid 101) in slot 0', one],
    ['listen', boots(), 'debug', 'worker 1 (pid 101) is told to accept connections', one],
    [
      'drain',
      [serving(1), 0, stop('graceful')],
      'info',
      'worker 1 (pid 101) is told to finish its requests and leave: SIGTERM',
      { ...one, how: 'graceful', reason: 'SIGTERM' },
    ],
    [
      'drain',
      [serving(1), 0, stop('quick')],
      'info',
      'worker 1 (pid 101) is told to leave at once: SIGINT',
      { ...one, how: 'quick', reason: 'SIGINT' },
    ],
    [
      'kill',
      stopping(),
      'error',
      'worker 1 (pid 101) is killed (SIGKILL): graceful timeout',
      { ...one, cause: 'graceful timeout' },
    ],
    ['halt', [new Story(1), 0, stop('graceful')], 'info', 'stopped: SIGTERM', { exitCode: 0, reason: 'SIGTERM' }],
  ])('%s', (type, [story, now, event], level, message, fields) => {
    const lines = orders(story, now, event);
    expect(lines).toEqual([{ level, message, fields: { event: type, ...fields } }]);
    checkFields(lines[0]!, type);
  });
});
