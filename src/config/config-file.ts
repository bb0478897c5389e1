import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, extname, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TsgunError } from '../errors.ts';
import { configError } from './config-error.ts';
import type { Env } from './environment.ts';
import { describe, isPlainObject } from './kind.ts';

const NAMES = ['tsgun.config.js', 'tsgun.config.mjs', 'tsgun.config.cjs', 'tsgun.config.ts', 'tsgun.config.json'];

/**
 * The configuration file of a directory.
 * @param named  what `--config` says, an absolute path
 * @throws TsgunError('config') when the named file is missing, or the directory has several
 */
export function findConfigFile(cwd: string, named: string | undefined): string | undefined {
  if (named !== undefined) {
    if (existsSync(named)) return named;
    throw new TsgunError('config', `no such configuration file: ${named}`);
  }
  const [found, another] = NAMES.filter((name) => existsSync(resolve(cwd, name)));
  if (another === undefined) return found === undefined ? undefined : resolve(cwd, found);
  throw new TsgunError(
    'config',
    `there are both ${found} and ${another} in ${cwd}`,
    'keep one of them, or name it with --config',
  );
}

/** The name of the file in messages. */
export function shortName(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short.startsWith('..') ? path : short;
}

/** What a configuration file comes to, and the environment as it leaves it: it may set variables, or have dotenv do so. */
export interface Evaluated {
  value: unknown;
  env: Env;
}

/** Runs a file that is a module; `name` is its name in messages. What it throws is told with its place. */
export type Evaluate = (path: string, name: string) => Promise<Evaluated>;

/**
 * Reads a configuration file.
 * @returns its object, and the environment that it leaves
 * @throws TsgunError('config') with the place when the file does not load or has no object
 */
export async function readConfigFile(
  path: string,
  cwd: string,
  env: Env,
  evaluate: Evaluate,
): Promise<{ values: Record<string, unknown>; env: Env }> {
  const name = shortName(path, cwd);
  let found: Evaluated;
  try {
    found =
      extname(path) === '.json' ? { value: JSON.parse(readFileSync(path, 'utf8')), env } : await evaluate(path, name);
  } catch (error) {
    if (error instanceof TsgunError) throw error;
    throw configError(error, path, name);
  }
  return { values: objectOf(found.value, path, name), env: found.env };
}

function objectOf(value: unknown, path: string, name: string): Record<string, unknown> {
  if (isPlainObject(value)) return value;
  throw new TsgunError('config', `${name}: expected an object of settings, got ${describe(value)}`, HOW[extname(path)]);
}

const HOW: Record<string, string> = {
  '.js': 'export default { workers: 4 }',
  '.mjs': 'export default { workers: 4 }',
  '.ts': 'export default defineConfig({ workers: 4 })',
  '.cjs': 'module.exports = { workers: 4 }',
};

/**
 * Imports a configuration file into this process.
 * @param fresh  differs from one reading to the next, so that the file is run anew
 * @returns its default export: what that returns, awaited, if it is a function
 */
export async function importConfigFile(path: string, fresh?: string): Promise<unknown> {
  // Node keeps where a symbolic link has led, for as long as it runs.
  const real = realpathSync(path);
  const url = pathToFileURL(real);
  if (fresh !== undefined) {
    url.searchParams.set('tsgun', fresh);
    // A CommonJS module is known by its path, whatever its URL.
    const { createRequire } = await import('node:module');
    delete createRequire(path).cache[real];
  }
  const loader = await typescriptLoader(path);
  if (loader !== undefined) await import(loader);
  let found: unknown = ((await import(url.href)) as { default?: unknown }).default;
  // CommonJS that was compiled from ES modules has its default one level deeper.
  if (isCompiled(found)) found = found.default;
  return typeof found === 'function' ? found() : found;
}

const isCompiled = (value: unknown): value is { default: unknown } =>
  typeof value === 'object' && value !== null && '__esModule' in value && 'default' in value;

/** TypeScript runs by Node's own type stripping, else by the project's tsx, which is registered as by `--import tsx`. */
export async function typescriptLoader(path: string): Promise<string | undefined> {
  if (!/\.[cm]?ts$/.test(path) || process.features.typescript) return undefined;
  const { createRequire } = await import('node:module');
  try {
    return pathToFileURL(createRequire(path).resolve('tsx')).href;
  } catch (cause) {
    const problem = `${basename(path)}: Node ${process.versions.node} does not run TypeScript`;
    const hint = 'use Node 22.18 or newer, add tsx to the project, or write the file in JavaScript';
    throw new TsgunError('config', problem, hint, { cause });
  }
}
