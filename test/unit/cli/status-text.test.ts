import { expect, test } from 'vitest';
import { duration, statusText } from '../../../src/cli/status-text.ts';
import type { Status } from '../../../src/shared/status.ts';

const now = new Date('2026-11-24T12:00:00.000Z');
const before = (ms: number) => new Date(now.getTime() - ms).toISOString();

const status: Status = {
  version: 1,
  name: 'shop',
  pid: 4242,
  tsgun: '1.2.3',
  node: 'v24.1.0',
  startedAt: before(90_000_000),
  ready: true,
  state: 'reloading',
  generation: 3,
  goal: 2,
  capacity: { serving: 1, of: 2, reason: 'slot 1: 2 failures in a row, next try in 1.4 s' },
  addresses: ['0.0.0.0:8000', 'unix:/run/shop/shop.sock'],
  workers: [
    { id: 7, slot: 0, pid: 4250, generation: 3, stage: 'serving', ageMs: 7_260_000 },
    { id: 112, slot: 1, generation: 4, stage: 'killed', ageMs: 61_000, reason: `a\nlong ${'reason '.repeat(20)}` },
  ],
  rollout: { generation: 4, strategy: 'rolling', startedAt: before(3000), proven: false },
  lastRollout: { outcome: 'failed', message: 'worker 5 did not load', durationMs: 10, at: before(60_000) },
  lastDeath: { worker: 6, slot: 1, pid: 4249, generation: 3, cause: 'Error: \x1b[2Jboom', at: before(5000) },
};

test('a status with all that it can have', () => {
  expect(statusText(status, now)).toBe(`\
shop (pid 4242), tsgun 1.2.3 on Node v24.1.0, up 1 d 1 h
reloading: generation 3, 1 of 2 workers serve (slot 1: 2 failures in a row, next
  try in 1.4 s)
addresses: 0.0.0.0:8000, unix:/run/shop/shop.sock
rollout of generation 4 (rolling), begun 3 s ago: it has not proved itself yet
last rollout: failed, 1 min ago: worker 5 did not load
last death: worker 6 (pid 4249, slot 1), 5 s ago: Error: \\x1b[2Jboom

 ID  SLOT   PID  GEN  STAGE          AGE  REASON
  7     0  4250    3  serving  2 h 1 min
112     1     -    4  killed       1 min  a long reason reason reason reason re…
`);
});

test('durations', () => {
  expect([-5, 999, 59_999, 60_000, 3_599_000, 3_600_000, 86_399_000, 90_061_000].map(duration)).toEqual([
    '0 s',
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '1 h 0 min',
    '23 h 59 min',
    '1 d 1 h',
  ]);
});
