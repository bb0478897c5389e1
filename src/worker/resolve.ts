import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { nearest } from '../config/nearest.ts';
import { LoadFailure } from './failure.ts';

const indexes = ['index.js', 'index.mjs', 'index.cjs', 'index.ts', 'index.mts', 'index.cts'];

/**
 * Finds the module that a path means: the file itself, the file with `.js` added (as `node app` does), or the entry of
 * a directory: "exports" and "main" of its package.json, else its index.
 * @param path  absolute path
 * @throws LoadFailure  'notFound', naming the nearest file
 */
export function resolveModule(path: string): string {
  const kind = kindOf(path);
  if (kind === 'file') return path;
  if (kind === 'directory') return resolveDirectory(path);
  if (kindOf(`${path}.js`) === 'file') return `${path}.js`;
  throw notFound(`no such file: ${path}`, suggestion(path));
}

function resolveDirectory(directory: string): string {
  const manifest = join(directory, 'package.json');
  const entry = kindOf(manifest) === 'file' ? entryOf(manifest) : undefined;
  if (entry !== undefined) {
    const target = resolve(directory, entry);
    for (const each of [target, `${target}.js`, join(target, 'index.js')]) if (kindOf(each) === 'file') return each;
    throw notFound(`${manifest} names ${entry} as its entry, and there is no such file`, suggestion(target));
  }
  for (const index of indexes) if (kindOf(join(directory, index)) === 'file') return join(directory, index);
  const why =
    kindOf(manifest) === 'file' ? 'its package.json has neither "exports" nor "main"' : 'it has no package.json';
  throw notFound(
    `${directory} is a directory: ${why}, and there is no index.js`,
    'name the file that is the application',
  );
}

function entryOf(manifest: string): string | undefined {
  let parsed: { exports?: unknown; main?: unknown };
  try {
    parsed = JSON.parse(readFileSync(manifest, 'utf8'));
  } catch (error) {
    throw notFound(`${manifest} cannot be read: ${(error as Error).message}`);
  }
  const root = parsed.exports;
  const main = typeof root === 'object' && root !== null && '.' in root ? root['.' as keyof typeof root] : root;
  return target(main) ?? (typeof parsed.main === 'string' ? parsed.main : undefined);
}

/** The target of an "exports" entry under the conditions that an entry point has. */
function target(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry;
  if (Array.isArray(entry)) return entry.map(target).find((each) => each !== undefined);
  if (typeof entry !== 'object' || entry === null) return undefined;
  for (const [condition, value] of Object.entries(entry)) {
    if (!['node', 'import', 'require', 'module-sync', 'default'].includes(condition)) continue;
    const found = target(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

function kindOf(path: string): 'file' | 'directory' | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? 'file' : stats?.isDirectory() ? 'directory' : undefined;
}

function suggestion(path: string): string {
  const directory = dirname(path);
  if (kindOf(directory) !== 'directory') return `there is no directory ${directory} either`;
  const wanted = basename(path);
  const files = readdirSync(directory);
  const stem = (name: string): string => name.replace(/\.[cm]?[jt]sx?$/, '');
  const nearStem = nearest(stem(wanted), files.map(stem));
  const near = nearest(wanted, files) ?? files.find((file) => stem(file) === nearStem);
  return near === undefined ? `${directory} has no file of a similar name` : `did you mean ${near}?`;
}

function notFound(message: string, hint?: string): LoadFailure {
  return new LoadFailure({ code: 'notFound', message: hint === undefined ? message : `${message}; ${hint}` });
}
