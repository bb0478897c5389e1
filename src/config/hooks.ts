import { TsgunError } from '../errors.ts';
import type { AnySetting } from './setting.ts';
import type { Config, Key } from './settings.ts';
import { settings } from './settings.ts';

/** What a hook is given: the master as it is at that moment. */
export interface Master {
  readonly pid: number;
  /** The name of the instance: `--name`, or the application's. */
  readonly name: string;
  /** Where it listens: `127.0.0.1:8000`, `unix:/run/shop.sock`; empty before the sockets are bound. */
  readonly addresses: readonly string[];
  /** Writes a line into the log of tsgun. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
}

export type Hook = (master: Master) => void | Promise<void>;

/** The settings that are hooks. */
export type HookName = { [K in Key]: NonNullable<Config[K]> extends Hook ? K : never }[Key];

/** How long a hook may take, in milliseconds: the master waits for it. */
const LIMIT_MS = 30_000;

/**
 * Calls a hook of the configuration file, if there is one, and waits for it, for 30 s at most.
 * @param report  takes the failure of a hook whose row says that it is only logged
 * @throws TsgunError('hook') when the row says that its failure ends the start
 */
export async function runHook(
  config: Pick<Config, HookName>,
  name: HookName,
  master: Master,
  report: (failure: TsgunError) => void,
  limitMs: number = LIMIT_MS,
): Promise<void> {
  const call = config[name];
  if (call === undefined) return;
  try {
    await within(limitMs, async () => call(master));
  } catch (error) {
    const failure = new TsgunError('hook', `hook ${name}: ${firstLine(error)}`, undefined, { cause: error });
    const row: AnySetting = settings[name];
    if (row.onThrow === 'abort') throw failure;
    report(failure);
  }
}

/** Waits for the work, but not longer. */
export async function within<Value>(limitMs: number, work: () => Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it has not ended within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work(), limit]);
  } finally {
    clearTimeout(timer);
  }
}

function firstLine(error: unknown): string {
  const text =
    error instanceof Error ? `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}` : String(error);
  return text.split('\n', 1)[0] ?? '';
}
