import { existsSync, readFileSync } from 'node:fs';
import { basename, extname, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TsgunError } from '../errors.ts';
import { configError } from './config-error.ts';
import { describe } from './kind.ts';

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

/**
 * Reads and runs a configuration file.
 * @param fresh  differs from reading to reading, so that a module that changed is run anew
 * @returns its object: what a function in it returns, awaited
 * @throws TsgunError('config') with the place when the file does not load or has no object
 */
export async function readConfigFile(
  path: string,
  cwd: string,
  fresh: string | undefined,
): Promise<Record<string, unknown>> {
  const name = shortName(path, cwd);
  let value: unknown;
  try {
    value = extname(path) === '.json' ? JSON.parse(readFileSync(path, 'utf8')) : await evaluate(path, fresh);
    if (typeof value === 'function') value = await value();
  } catch (error) {
    if (error instanceof TsgunError) throw error;
    throw configError(error, path, name);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TsgunError('config', `${name}: expected an object of settings, got ${describe(value)}`, HOW[extname(path)]);
}

const HOW: Record<string, string> = {
  '.js': 'export default { workers: 4 }',
  '.mjs': 'export default { workers: 4 }',
  '.ts': 'export default defineConfig({ workers: 4 })',
  '.cjs': 'module.exports = { workers: 4 }',
};

async function evaluate(path: string, fresh: string | undefined): Promise<unknown> {
  const url = pathToFileURL(path);
  if (fresh !== undefined) {
    url.searchParams.set('tsgun', fresh);
    // A CommonJS module is known by its path, whatever its URL.
    const { createRequire } = await import('node:module');
    delete createRequire(path).cache[path];
  }
  if (/\.[cm]?ts$/.test(path)) await prepareTypescript(path);
  let found: unknown = ((await import(url.href)) as { default?: unknown }).default;
  // CommonJS that was compiled from ES modules has its default one level deeper.
  if (isCompiled(found)) found = found.default;
  return found;
}

const isCompiled = (value: unknown): value is { default: unknown } =>
  typeof value === 'object' && value !== null && '__esModule' in value && 'default' in value;

/** TypeScript runs by Node's own type stripping, else by the project's tsx, which is registered as by `--import tsx`. */
async function prepareTypescript(path: string): Promise<void> {
  if (process.features.typescript) return;
  const { createRequire } = await import('node:module');
  let tsx: string;
  try {
    tsx = createRequire(path).resolve('tsx');
  } catch (cause) {
    const problem = `${basename(path)}: Node ${process.versions.node} does not run TypeScript`;
    const hint = 'use Node 22.18 or newer, add tsx to the project, or write the file in JavaScript';
    throw new TsgunError('config', problem, hint, { cause });
  }
  await import(pathToFileURL(tsx).href);
}
