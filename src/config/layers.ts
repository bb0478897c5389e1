import { TsgunError } from '../errors.ts';
import type { Words } from './arguments.ts';
import type { Env } from './environment.ts';
import { Wrong } from './kind.ts';
import { didYouMean } from './nearest.ts';
import type { AnySetting } from './setting.ts';
import { type Config, type Key, settings } from './settings.ts';

/** Where a value comes from: `default`, `env WEB_CONCURRENCY`, `file tsgun.config.js`, … */
export type Source = 'default' | 'TSGUN_CMD_ARGS' | 'command line' | `env ${string}` | `file ${string}`;

/** The values of one source, and how its mistakes are told. */
export interface Layer {
  source: Source;
  read(key: Key, row: AnySetting, cwd: string): unknown | Wrong;
  refuse(key: Key, row: AnySetting, wrong: Wrong): TsgunError;
}

/** The words of a command line; a bad one is `code`'s failure. */
export function wordLayer(source: 'TSGUN_CMD_ARGS' | 'command line', code: 'config' | 'usage', words: Words): Layer {
  const place = source === 'command line' ? '' : `${source}: `;
  return {
    source,
    read(key, row, cwd) {
      const given = words.get(key);
      return given === undefined ? undefined : row.kind.parse(given, cwd);
    },
    refuse: (key, row, wrong) => new TsgunError(code, `${place}${row.flags ?? key}: ${wrong.text}`),
  };
}

/** What a file says, with the spelling that it uses. */
type FileValues = Map<Key, { spelling: string; value: unknown }>;

/** The values of a configuration file. */
export function fileLayer(name: string, values: FileValues): Layer {
  return {
    source: `file ${name}`,
    read(key, row, cwd) {
      const value = values.get(key)?.value;
      return value === undefined ? undefined : row.kind.check(value, cwd);
    },
    refuse: (key, _row, wrong) => new TsgunError('config', `${name}: ${values.get(key)?.spelling}: ${wrong.text}`),
  };
}

function envLayer(name: string, text: string): Layer {
  return {
    source: `env ${name}`,
    read: (_key, row, cwd) => row.kind.parse([row.fromEnv === undefined ? text : row.fromEnv(text)], cwd),
    refuse: (_key, _row, wrong) => new TsgunError('config', `${name}: ${wrong.text}`),
  };
}

/** The last layer that has a value wins; the environment is asked only when none has. */
export function merge(layers: readonly Layer[], env: Env, cwd: string) {
  const config: Record<string, unknown> = {};
  const sources: Record<string, Source> = {};
  for (const [key, row] of Object.entries(settings) as [Key, AnySetting][]) {
    config[key] = row.default;
    sources[key] = 'default';
    const take = (layer: Layer) => {
      const value = layer.read(key, row, cwd);
      if (value instanceof Wrong) throw layer.refuse(key, row, value);
      if (value !== undefined) [config[key], sources[key]] = [value, layer.source];
    };
    for (const layer of layers) take(layer);
    const text = row.env === undefined ? undefined : env[row.env];
    if (row.env !== undefined && text && sources[key] === 'default') take(envLayer(row.env, text));
  }
  return { config: config as unknown as Config, sources: sources as Record<Key, Source> };
}

/** A file's keys, in whichever of the accepted spellings: `gracefulTimeout`, `graceful_timeout`, `graceful-timeout`. */
export function knownKeys(values: Record<string, unknown>, file: string): FileValues {
  const spellings = new Map<string, Key>();
  for (const [key, row] of Object.entries(settings) as [Key, AnySetting][]) {
    if (row.file === false) continue;
    for (const name of [key, row.gunicorn ?? key]) {
      const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      for (const spelling of [name, snake, snake.replaceAll('_', '-')]) spellings.set(spelling, key);
    }
  }
  const found: FileValues = new Map();
  for (const [spelling, value] of Object.entries(values)) {
    if (spelling === '$schema' || value === undefined) continue;
    const key = spellings.get(spelling);
    if (key === undefined) {
      throw new TsgunError('config', `${file}: unknown setting "${spelling}"${didYouMean(spelling, spellings.keys())}`);
    }
    const twin = found.get(key);
    if (twin !== undefined)
      throw new TsgunError('config', `${file}: "${twin.spelling}" and "${spelling}" are the same setting`);
    found.set(key, { spelling, value });
  }
  return found;
}
