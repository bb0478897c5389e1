/** Reading the configuration anew, for a reload. What is wrong with it changes nothing. */
import { extname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readConfigFile, shortName } from './config-file.ts';
import { changeFolder, type Env } from './environment.ts';
import { evaluateApart } from './evaluate-apart.ts';
import { loadConfig, type Resolved } from './load.ts';
import type { AnySetting } from './setting.ts';
import { type Config, type Key, settings } from './settings.ts';

let readings = 0;

/**
 * The configuration as its sources have it now: the command line and the environment of tsgun stay, files are read again,
 * and the directory is resolved anew. A configuration file runs in a process of its own; only one that has functions is
 * imported here afterwards, and stays in memory.
 * @param start  where tsgun was started, with its symbolic links unresolved
 * @throws TsgunError
 */
export async function rereadConfig(argv: readonly string[], env: Env, start: string): Promise<Resolved> {
  const cwd = changeFolder(start, '.', 'the working directory');
  return loadConfig({ argv, env: { ...env, PWD: cwd }, cwd, read: (path, folder) => read(path, folder, env) });
}

async function read(path: string, folder: string, env: Env): Promise<Record<string, unknown>> {
  if (extname(path) === '.json') return readConfigFile(path, folder, undefined);
  const { value, functions } = await evaluateApart(path, shortName(path, folder), folder, env);
  if (functions.length === 0) return value;
  readings++;
  const whole = await readConfigFile(path, folder, `${process.pid}.${readings}`);
  return { ...value, ...Object.fromEntries(functions.map((key) => [key, whole[key]])) };
}

/**
 * What a reload can use of what was read: the settings that cannot change stay as they are.
 * @returns a sentence for each of them that was to change
 */
export function changeable(before: Resolved, after: Resolved): { resolved: Resolved; warnings: string[] } {
  const kept: Partial<Record<Key, unknown>> = {};
  const warnings: string[] = [];
  for (const [key, row] of Object.entries(settings) as [Key, AnySetting][]) {
    if (row.reload) continue;
    const [old, now] = [before.config[key], after.config[key]];
    kept[key] = old;
    if (typeof now === 'function' || isDeepStrictEqual(old, now)) continue;
    const show = (value: unknown): string => (value === undefined ? 'not set' : row.kind.show(value));
    warnings.push(
      `${key} is now ${show(now)} (${after.sources[key]}), and stays ${show(old)}: a reload cannot change it`,
    );
  }
  return { resolved: { ...after, config: { ...after.config, ...kept } as Config }, warnings };
}
