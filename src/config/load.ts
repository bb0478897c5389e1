import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { TsgunError } from '../errors.ts';
import { parseCommandLine, type ServeLine } from './arguments.ts';
import { commands } from './commands.ts';
import { type Evaluate, findConfigFile, importConfigFile, readConfigFile, shortName } from './config-file.ts';
import { changeFolder, childEnv, type Env, logicalCwd, realFolder } from './environment.ts';
import { fileLayer, knownKeys, type Layer, merge, type Source, wordLayer } from './layers.ts';
import { nearest } from './nearest.ts';
import type { Config, Key } from './settings.ts';

export interface Resolved {
  config: Config;
  sources: Readonly<Record<Key, Source>>;
  /** The user said where to listen, by flag, file or $PORT. */
  explicitBind: boolean;
  /** The environment of the workers. */
  childEnv: Env;
  /** The working directory after `--chdir`, with its symbolic links unresolved. */
  cwd: string;
  /** The same with its links resolved, as they were when this was read. */
  directory: string;
  configFile?: string;
  /** What follows `--`: the application's. */
  argv: string[];
  origin: Origin;
}

/** How tsgun was started, for as long as it runs: a later reading starts from the same. */
export interface Origin {
  /** The command line, without node and script. */
  argv: readonly string[];
  /** As it was before a configuration file could change it. */
  env: Env;
  /** Where tsgun was started, with symbolic links unresolved. */
  cwd: string;
}

export interface LoadOptions {
  /** The command line, without node and script. */
  argv: readonly string[];
  env: Env;
  cwd: string;
}

/**
 * The configuration: defaults < environment < configuration file < TSGUN_CMD_ARGS < command line.
 * @throws TsgunError('usage') for the command line, TsgunError('config') for all other sources
 */
export async function loadConfig({ argv, env, cwd }: LoadOptions): Promise<Resolved> {
  const origin = { argv: [...argv], env: { ...env }, cwd: logicalCwd(cwd, env) };
  return readSources(origin, async (path) => ({ value: await importConfigFile(path), env: { ...env } }));
}

/**
 * Reads all sources, each once.
 * @param evaluate  runs a configuration file that is a module
 */
export async function readSources(origin: Origin, evaluate: Evaluate): Promise<Resolved> {
  const line = await serveLine(origin.argv);
  const extra = await cmdArgs(origin.env.TSGUN_CMD_ARGS);
  const given = [
    wordLayer('TSGUN_CMD_ARGS', 'config', extra.words),
    wordLayer('command line', 'usage', line.words),
  ] as const;
  const lastWord = (key: Key) => (line.words.get(key) ?? extra.words.get(key))?.at(-1);

  const chdir = lastWord('chdir');
  let folder = chdir === undefined ? origin.cwd : changeFolder(origin.cwd, chdir, '--chdir');
  const named = lastWord('config');
  const configFile = findConfigFile(folder, named === undefined ? undefined : resolve(folder, named));
  const layers: Layer[] = [...given];
  let env = origin.env;
  if (configFile !== undefined) {
    const name = shortName(configFile, folder);
    const read = await readConfigFile(configFile, folder, env, evaluate);
    const values = knownKeys(read.values, name);
    env = read.env;
    layers.unshift(fileLayer(name, values));
    const inFile = values.get('chdir')?.value;
    if (chdir === undefined && typeof inFile === 'string') folder = changeFolder(folder, inFile, `${name}: chdir`);
  }

  const { config, sources } = merge(layers, env, folder);
  if (config.app === undefined) throw new TsgunError('usage', 'no application is given', NO_APP);
  if (sources.app === 'command line') refuseMistypedCommand(lastWord('app') ?? '', folder);
  return {
    config: { ...config, chdir: folder, config: configFile },
    sources,
    explicitBind: config.bind.length > 0,
    childEnv: childEnv(env, folder, config.envFile, config.env),
    cwd: folder,
    directory: realFolder(folder),
    ...(configFile === undefined ? {} : { configFile }),
    argv: line.argv.length > 0 ? line.argv : extra.argv,
    origin,
  };
}

const NO_APP = 'tsgun app.js, or "app" in tsgun.config.js; tsgun --help shows all options';

async function serveLine(argv: readonly string[]): Promise<ServeLine> {
  const line = await parseCommandLine(argv);
  if (line.kind === 'serve') return line;
  throw new TsgunError('usage', `"${argv.join(' ')}" serves no application`);
}

async function cmdArgs(text: string | undefined): Promise<ServeLine> {
  if (text === undefined || text.trim() === '') return { kind: 'serve', words: new Map(), argv: [] };
  const words = (await import('./shell-words.ts')).shellWords(text);
  if (words === undefined) throw new TsgunError('config', `TSGUN_CMD_ARGS: a quote is not closed in ${text}`);
  try {
    return await serveLine(words);
  } catch (error) {
    if (!(error instanceof TsgunError)) throw error;
    throw new TsgunError('config', `TSGUN_CMD_ARGS: ${error.message}`, error.hint, { cause: error });
  }
}

/** `tsgun relod` is no application, unless there is such a file. */
function refuseMistypedCommand(word: string, cwd: string): void {
  const near = /^[a-z-]+$/i.test(word) ? nearest(word, Object.keys(commands)) : undefined;
  if (near === undefined || existsSync(resolve(cwd, word))) return;
  const hint = word === near ? 'a command is the first word' : undefined;
  throw new TsgunError('usage', `no such file "${word}"; did you mean the command "${near}"?`, hint);
}
