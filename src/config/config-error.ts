import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { TsgunError } from '../errors.ts';
import { reasonOf } from './environment.ts';
import { describe } from './kind.ts';

/**
 * One line for a configuration file that does not load: its place, and the first line of the error.
 * @param name  the file's name in messages
 */
export function configError(error: unknown, path: string, name: string): TsgunError {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  const hint =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? 'Node only strips types: enums, namespaces and parameter properties have no place there'
      : undefined;
  const line = error instanceof Error ? lineOf(error, path) : undefined;
  const place = line === undefined ? name : `${name}:${line}`;
  return new TsgunError('config', `${place}: ${firstLine(error)}`, hint, { cause: error });
}

/** The line of the file that the error comes from. */
function lineOf(error: Error, path: string): string | undefined {
  const inStack = lineIn(error.stack ?? '', path);
  if (inStack !== undefined || !(error instanceof SyntaxError)) return inStack;
  const position = /JSON at position (\d+)/.exec(error.message)?.[1];
  if (position !== undefined) return String(readFileSync(path, 'utf8').slice(0, Number(position)).split('\n').length);
  if (path.endsWith('.json')) return undefined;
  // The stack of a syntax error in an ES module has no place; Node prints it when it ends of one.
  return lineIn(spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: 10_000 }).stderr, path);
}

/** The line of the file that a stack names; Node names files by their real paths. */
export function lineIn(text: string, path: string): string | undefined {
  const real = existsSync(path) ? realpathSync(path) : path;
  const names = [path, real].flatMap((each) => [each, pathToFileURL(each).pathname]);
  const escaped = names.map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`(?:${escaped.join('|')})(?:\\?[^:\\s]*)?:(\\d+)`).exec(text)?.[1];
}

function firstLine(error: unknown): string {
  if (!(error instanceof Error)) return `it threw ${describe(error)}`;
  if ('syscall' in error) return reasonOf(error);
  return `${error.name}: ${error.message}`.split('\n', 1)[0] ?? '';
}
