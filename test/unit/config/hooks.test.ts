import { expect, it } from 'vitest';
import { type Hook, type HookName, type Master, runHook } from '../../../src/config/hooks.ts';
import { TsgunError } from '../../../src/errors.ts';

const master: Master = { pid: 1, name: 'shop', addresses: ['127.0.0.1:8000'], log: () => {} };

/** Runs a hook; what it reports, and what it throws. */
async function run(name: HookName, hook: Hook | undefined, limitMs?: number) {
  const reported: string[] = [];
  const hooks = { onStarting: undefined, whenReady: undefined, onExit: undefined, [name]: hook };
  const thrown = await runHook(hooks, name, master, (failure) => reported.push(failure.message), limitMs).catch(
    (error: unknown) => error as TsgunError,
  );
  return { reported, thrown };
}

it('calls the hook with the master and waits for it', async () => {
  const seen: unknown[] = [];
  const { reported, thrown } = await run('whenReady', async (given) => {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(given);
  });
  expect([seen, reported, thrown]).toEqual([[master], [], undefined]);
});

it('does nothing where there is no hook', async () => {
  expect(await run('onExit', undefined)).toEqual({ reported: [], thrown: undefined });
});

it('ends the start when onStarting throws', async () => {
  const { reported, thrown } = await run('onStarting', () => {
    throw new TypeError('no database\nand more');
  });
  expect(thrown).toBeInstanceOf(TsgunError);
  expect(thrown).toMatchObject({ code: 'hook', exitCode: 1, message: 'hook onStarting: TypeError: no database' });
  expect(reported).toEqual([]);
});

it('reports what the other hooks throw', async () => {
  const failing = async () => Promise.reject(new Error('no metrics'));
  expect(await run('whenReady', failing)).toEqual({ reported: ['hook whenReady: no metrics'], thrown: undefined });
  expect(
    await run('onExit', () => {
      throw 'a text';
    }),
  ).toEqual({ reported: ['hook onExit: a text'], thrown: undefined });
});

it('waits no longer than the limit', async () => {
  const never = () => new Promise<void>(() => {});
  expect((await run('onExit', never, 20)).reported).toEqual(['hook onExit: it has not ended within 0.02 s']);
});
