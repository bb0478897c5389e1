import { readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { TsgunError } from '../errors.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** What is said to the master alone: an application that read it would believe itself to be supervised by systemd. */
const MASTERS_OWN = ['TSGUN_CMD_ARGS', 'NOTIFY_SOCKET', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'];
const MASTERS_OWN_WATCHDOG = ['WATCHDOG_PID', 'WATCHDOG_USEC'];
/** Of an upgrade: what the old master says to the new one. */
const MASTERS_OWN_UPGRADE = ['TSGUN_UPGRADE'];

/** The environment of the workers: that of tsgun, then the files, then `--env`, each over the ones before. */
export function childEnv(env: Env, cwd: string, files: readonly string[], set: Env): Env {
  const result: Record<string, string | undefined> = { ...env, PWD: cwd };
  for (const name of [...MASTERS_OWN, ...MASTERS_OWN_WATCHDOG, ...MASTERS_OWN_UPGRADE]) delete result[name];
  return Object.assign(result, ...files.map(readEnvFile), set);
}

function readEnvFile(path: string): Env {
  try {
    return parseEnv(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new TsgunError('config', `--env-file ${path}: ${reasonOf(cause)}`, undefined, { cause });
  }
}

/**
 * The working directory as the user knows it: $PWD keeps the symbolic links (`/srv/shop/current`) that the kernel resolves.
 * It counts only when it is the same directory.
 */
export function logicalCwd(cwd: string, env: Env): string {
  const named = env.PWD;
  if (named === undefined || named === cwd || !isAbsolute(named)) return cwd;
  return isSameFolder(named, cwd) ? resolve(named) : cwd;
}

function isSameFolder(a: string, b: string): boolean {
  try {
    const [left, right] = [statSync(a), statSync(b)];
    return left.dev === right.dev && left.ino === right.ino;
  } catch {
    return false;
  }
}

/** `resolve`, and a check that the directory is one. */
export function changeFolder(from: string, to: string, place: string): string {
  const folder = resolve(from, to);
  let problem = 'is missing';
  try {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found?.isDirectory()) return folder;
    if (found) problem = 'is no directory';
  } catch (error) {
    problem = `cannot be entered: ${reasonOf(error)}`;
  }
  throw new TsgunError('config', `${place}: ${folder} ${problem}`);
}

/** The directory without symbolic links: where these lead now. */
export function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch (cause) {
    throw new TsgunError('config', `the working directory: ${folder}: ${reasonOf(cause)}`, undefined, { cause });
  }
}

const REASONS: Record<string, string> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  ENOTDIR: 'a part of the path is no directory',
};

/** A system error in a person's words. */
export function reasonOf(error: unknown): string {
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}
