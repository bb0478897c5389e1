/** Reading the configuration anew, for a reload: what is wrong with it is told, and harms nobody. */
import { TsgunError } from '../errors.ts';
import { elsewhere, evaluateInChild } from './config-child.ts';
import { importConfigFile, readConfigFile } from './config-file.ts';
import { changeFolder } from './environment.ts';
import { within } from './hooks.ts';
import { knownKeys } from './layers.ts';
import { type Origin, type Resolved, readSources } from './load.ts';
import { type Config, type Key, settings } from './settings.ts';

/** How long the configuration file may take, in milliseconds. */
const LIMIT_MS = 10_000;

let imports = 0;

/**
 * What `loadConfig` would make of the same start today: the working directory is looked up again by its name, and all
 * files are read again. A configuration file is run in a process of its own; if it has hooks, and all is well, then here
 * as well, for its functions.
 * @param origin  of the reading before
 * @throws TsgunError for what is wrong; nothing has changed then
 */
export async function rereadConfig(origin: Origin, limitMs: number = LIMIT_MS): Promise<Resolved> {
  changeFolder(origin.cwd, '.', 'the working directory');
  const resolved = await readSources(origin, (path, name) => evaluateInChild(path, name, origin, limitMs));
  const hooks = (Object.keys(settings) as Key[]).filter((key) => resolved.config[key] === elsewhere);
  if (hooks.length === 0 || resolved.configFile === undefined) return resolved;
  return { ...resolved, config: { ...resolved.config, ...(await importHooks(hooks, resolved.configFile, resolved)) } };
}

async function importHooks(hooks: Key[], path: string, { origin, cwd, sources }: Resolved): Promise<Partial<Config>> {
  const { values } = await readConfigFile(path, cwd, origin.env, async () => {
    // The master still stands where it was started: in a folder that may have been deleted since.
    process.chdir(origin.cwd);
    const value = await within(LIMIT_MS, () => importConfigFile(path, `reload-${++imports}`));
    return { value, env: origin.env };
  });
  const name = sources[hooks[0]!].replace('file ', '');
  const found = knownKeys(values, name);
  const functions = hooks.map((key) => {
    const value = found.get(key)?.value;
    if (typeof value === 'function') return [key, value] as const;
    throw new TsgunError(
      'config',
      `${name}: ${key}: it is a function when the file is run, but not when it is run again`,
    );
  });
  return Object.fromEntries(functions);
}
