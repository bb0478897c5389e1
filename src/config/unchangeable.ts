/** What a reload cannot change: the settings whose row says so. */
import { isDeepStrictEqual } from 'node:util';
import type { Source } from './layers.ts';
import type { Resolved } from './load.ts';
import type { AnySetting } from './setting.ts';
import { type Key, settings } from './settings.ts';

/** What differs and takes a restart: a sentence for each. */
export function unchangeable(before: Resolved, after: Resolved): string[] {
  return fixedKeys()
    .filter((key) => !isSame(before.config[key], after.config[key]))
    .map((key) => {
      const [old, wanted] = [before, after].map(({ config }) => shown(key, config[key]));
      const was = old === wanted ? 'as it was' : old;
      const is = old === wanted ? 'another one' : wanted;
      return `${key} is ${is} ${placeOf(after.sources[key])}, but stays ${was}: it cannot change at a reload`;
    });
}

/** What counts after a reload: the new configuration, but the old one's part that only a restart changes. */
export function reloaded(before: Resolved, after: Resolved): Resolved {
  const kept = (of: Resolved['config'] | Resolved['sources']) =>
    Object.fromEntries(fixedKeys().map((key) => [key, of[key]]));
  return {
    ...after,
    config: { ...after.config, ...kept(before.config) },
    sources: { ...after.sources, ...kept(before.sources) },
  };
}

const fixedKeys = () => (Object.keys(settings) as Key[]).filter((key) => !settings[key].reload);

/** A function that was imported again is the same if its text is. */
function isSame(a: unknown, b: unknown): boolean {
  return typeof a === 'function' && typeof b === 'function' ? String(a) === String(b) : isDeepStrictEqual(a, b);
}

function shown(key: Key, value: unknown): string {
  const { kind }: AnySetting = settings[key];
  return value === undefined ? 'unset' : kind.show(value);
}

function placeOf(source: Source): string {
  if (source === 'default') return 'by default';
  if (source === 'command line') return 'on the command line';
  return `in ${source.replace(/^(file|env) /, '')}`;
}
