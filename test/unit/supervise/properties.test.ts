import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Policy } from '../../../src/supervise/model.ts';
import { fillsSlot } from '../../../src/supervise/slots.ts';
import { Laws } from './laws.ts';
import { type Deed, type Fate, type Plan, World } from './world.ts';

const settings = { seed: 20_260_722, numRuns: 150, endOnFailure: true };

/** How long a world goes its way before it is told to stop, and how many steps it may take. */
const LIFE_MS = 60_000;
const MAX_STEPS = 1500;

const policies: fc.Arbitrary<Policy> = fc.record({
  bootTimeoutMs: fc.constantFrom(1000, 5000, 60_000),
  gracefulTimeoutMs: fc.constantFrom(0, 2000, 30_000),
  quickTimeoutMs: fc.constant(1000),
  marginMs: fc.constant(1000),
  lingerStopMs: fc.constant(2000),
  lingerMs: fc.constant(10_000),
  backoffBaseMs: fc.constant(1000),
  backoffCapMs: fc.constantFrom(4000, 30_000),
  stableMs: fc.constant(10_000),
  drainDelayMs: fc.constantFrom(0, 0, 3000),
  maxLifetimeMs: fc.constantFrom(0, 0, 9000),
  maxLifetimeJitterMs: fc.constantFrom(0, 4000),
});

const fates: fc.Arbitrary<Fate> = fc.record({
  load: fc.constantFrom('well', 'well', 'well', 'well', 'failed', 'mute', 'gone', 'stuck', 'absent', 'leaves'),
  loadMs: fc.integer({ min: 200, max: 6000 }),
  serve: fc.constantFrom('well', 'well', 'well', 'well', 'gone', 'stuck'),
  serveMs: fc.integer({ min: 0, max: 50 }),
  life: fc.constantFrom('long', 'gone', 'leaves', 'retires'),
  lifeMs: fc.integer({ min: 100, max: 40_000 }),
  leaveMs: fc.option(fc.integer({ min: 0, max: 40_000 })),
  kills: fc.integer({ min: 1, max: 3 }),
  dieMs: fc.integer({ min: 0, max: 3000 }),
});

const scale = fc.record({ do: fc.constant('scale' as const), by: fc.integer({ min: -3, max: 3 }) });
const pick = fc.record({ do: fc.constantFrom('retire', 'terminate', 'slay'), pick: fc.nat({ max: 9 }) });
const stop = fc.record({
  do: fc.constant('stop' as const),
  how: fc.constantFrom('graceful', 'quick'),
  exitCode: fc.constantFrom(0, 1),
});
const reload: fc.Arbitrary<Deed> = fc.record({
  do: fc.constant('reload' as const),
  plan: fc.record(
    {
      strategy: fc.constantFrom('rolling' as const, 'atomic' as const),
      surge: fc.integer({ min: 1, max: 6 }),
      maxDraining: fc.integer({ min: 1, max: 5 }),
      attempts: fc.integer({ min: 1, max: 3 }),
      minUptimeMs: fc.constantFrom(0, 0, 2000),
      bootTimeoutMs: fc.constantFrom(3000, 60_000),
      workers: fc.integer({ min: 1, max: 6 }),
    },
    { requiredKeys: ['strategy', 'surge', 'maxDraining', 'attempts', 'minUptimeMs', 'bootTimeoutMs'] },
  ),
});
const pause = fc.record({ do: fc.constant('pause' as const) });
const nonsense = fc.record({
  do: fc.constant('nonsense' as const),
  type: fc.constantFrom('loaded', 'serving', 'leaving', 'retiring', 'failed', 'exited'),
});

const timed = (deed: fc.Arbitrary<Deed>, maxLength: number): fc.Arbitrary<Plan['deeds']> =>
  fc.array(fc.record({ atMs: fc.integer({ min: 0, max: LIFE_MS }), deed }), { maxLength });

const common = {
  workers: fc.integer({ min: 1, max: 5 }),
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  policy: policies,
  lateness: fc.array(fc.constantFrom(0, 3, 900, 1500, 70_000), { maxLength: 10 }),
};

const worlds: fc.Arbitrary<Plan> = fc.record({
  ...common,
  // Most worlds come to serve at all: their first worker is well.
  fates: fc
    .tuple(fc.boolean(), fates, fc.array(fates, { maxLength: 6 }))
    .map(([doomed, first, others]) => [
      doomed ? first : { ...first, load: 'well', serve: 'well', loadMs: 30 },
      ...others,
    ]),
  deeds: timed(
    fc.oneof(
      { weight: 4, arbitrary: scale },
      { weight: 6, arbitrary: pick },
      { weight: 6, arbitrary: reload },
      pause,
      stop,
      { weight: 2, arbitrary: nonsense },
    ),
    15,
  ),
});

/** Workers that do as they are told and die of others only. */
const well: Partial<Fate> = { load: 'well', loadMs: 800, serve: 'well', life: 'long', leaveMs: 500, kills: 1 };
const healthyWorlds: fc.Arbitrary<Plan> = fc.record({
  ...common,
  // Who is replaced for his age is so for ever: there is no end that could be looked at.
  policy: policies.map((policy) => ({ ...policy, maxLifetimeMs: 0 })),
  lateness: fc.constant([]),
  fates: fc.array(
    fates.map((fate) => ({ ...fate, ...well })),
    { minLength: 1, maxLength: 4 },
  ),
  deeds: timed(fc.oneof(scale, pick, nonsense, reload), 15),
});

test('the laws hold in every world, and every world that is told to stop halts, once', () => {
  fc.assert(
    fc.property(worlds, fc.constantFrom('graceful' as const, 'quick' as const), (plan, how) => {
      const laws = new Laws(plan.policy);
      const world = new World(plan, laws.watch);
      world.run(LIFE_MS, MAX_STEPS);
      world.post({ type: 'stop', how, reason: 'SIGTERM', exitCode: 0 });
      world.run(Number.POSITIVE_INFINITY, MAX_STEPS);
      expect(world.state).toMatchObject({ halted: true, workers: [] });
      expect(laws.commands.filter(({ type }) => type === 'halt')).toHaveLength(1);
      expect(laws.commands.at(-1)?.type).toBe('halt');
    }),
    settings,
  );
});

test('a stop takes no longer than its limits, plus what the kernel needs to kill', () => {
  fc.assert(
    fc.property(worlds, fc.constantFrom('graceful' as const, 'quick' as const), (plan, how) => {
      const deeds = plan.deeds.filter(({ deed }) => deed.do !== 'stop');
      const world = new World({ ...plan, deeds, lateness: [] }, () => {});
      world.run(LIFE_MS / 2, MAX_STEPS);
      const begun = world.now;
      world.post({ type: 'stop', how, reason: 'SIGTERM', exitCode: 0 });
      const { policy } = plan;
      const delay = how === 'graceful' ? policy.drainDelayMs : 0;
      const limit = how === 'quick' ? policy.quickTimeoutMs : Math.max(policy.gracefulTimeoutMs, policy.quickTimeoutMs);
      const killing = 3 * 5000 + 3000;
      world.run(begun + delay + limit + policy.marginMs + killing, MAX_STEPS);
      expect(world.state.halted).toBe(true);
    }),
    settings,
  );
});

test('where workers are well, each slot comes to have one that serves, and nothing else is left', () => {
  fc.assert(
    fc.property(healthyWorlds, (plan) => {
      const world = new World(plan, new Laws(plan.policy).watch);
      world.run(LIFE_MS, MAX_STEPS);
      fc.pre(world.state.goal.stop === undefined);
      world.run(LIFE_MS + plan.policy.backoffCapMs + 10_000, MAX_STEPS);
      const { workers, goal, rollout } = world.state;
      expect(rollout).toBe(undefined);
      expect(workers.every((worker) => worker.stage === 'serving' && fillsSlot(worker, world.state))).toBe(true);
      expect(workers.map(({ slot }) => slot).sort((a, b) => a - b)).toEqual(
        Array.from({ length: goal.workers }, (_, slot) => slot),
      );
    }),
    settings,
  );
});
