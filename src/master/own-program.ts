/** With what the master was started, to be started anew: a link that was moved meanwhile is followed to where it leads now. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, relative, resolve } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The Node binary that the word of the command line leads to now; `process.execPath` has its links resolved.
 * @param cwd  where the master was started, with symbolic links unresolved
 */
export function nodeBinary(cwd: string, env: Env): string {
  const word = process.argv0;
  const candidates = word.includes('/')
    ? [resolve(cwd, word)]
    : (env.PATH ?? '').split(delimiter).map((folder) => resolve(cwd, folder, word));
  return candidates.find(isExecutable) ?? process.execPath;
}

/** The path of bin/tsgun.js along the working directory's links: Node has resolved that of `current`. */
export function ownScript(cwd: string): string {
  const script = process.argv[1]!;
  const below = relative(process.cwd(), script);
  return below.startsWith('..') || isAbsolute(below) ? script : join(cwd, below);
}

/** The environment that the master was started with, without what Node's --env-file or a configuration file have added. */
export function startEnv(): Env {
  try {
    const entries = readFileSync('/proc/self/environ', 'utf8').split('\0').filter(Boolean);
    return Object.fromEntries(entries.map((entry) => splitAt(entry, entry.indexOf('='))));
  } catch {
    return { ...process.env };
  }
}

const splitAt = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at + 1)];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
