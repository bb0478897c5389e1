/** The one running instance that a command is for. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Env } from '../config/environment.ts';
import { TsgunError } from '../errors.ts';
import { type Found, foldersToSearch, removeStale, socketsIn } from '../master/control/folders.ts';
import type { Status } from '../shared/status.ts';
import { ask } from './ask.ts';

/** How long a master may take to say what it is, milliseconds. It never blocks: one that takes longer is stopped. */
const PATIENCE_MS = 3000;

export interface Wanted {
  name?: string;
  pid?: number;
  /** A path, absolute or from the working directory. */
  controlSocket?: string;
}

export interface Reached {
  socket: string;
  status: Status;
}

/** @throws TsgunError('noInstance') when there is none, or several are meant */
export async function findInstance(wanted: Wanted, env: Env): Promise<Reached> {
  if (wanted.controlSocket !== undefined) return reach(resolve(wanted.controlSocket), wanted);
  const folders = [...foldersOf(wanted.pid), ...foldersToSearch(env)];
  const found = [...new Set(folders.flatMap(realFolder))].flatMap(socketsIn);
  // What is left over from dead masters goes here, so that every socket after this is of a living one.
  const living = await removeStale(found);
  const asked = await Promise.all(living.map(look));
  const meant = asked.filter((each) => isMeant(each, wanted));
  const [first, ...others] = meant;
  if (first === undefined) throw noInstance(wanted, asked);
  if (others.length > 0) {
    const hint = 'name one with --name, --pid or --control-socket';
    throw new TsgunError('noInstance', `several instances run: ${list(meant)}`, hint);
  }
  if ('status' in first) return { socket: first.path, status: first.status };
  throw new TsgunError('noInstance', `${first.name} (pid ${first.pid}) runs, but ${first.why}`);
}

type Looked = Found & ({ status: Status } | { why: string });

async function look(found: Found): Promise<Looked> {
  try {
    const { status } = await reach(found.path, {});
    return { ...found, name: status.name, pid: status.pid, status };
  } catch (error) {
    return { ...found, why: (error as Error).message };
  }
}

function isMeant(looked: Looked, { name, pid }: Wanted): boolean {
  return (name === undefined || name === looked.name) && (pid === undefined || pid === looked.pid);
}

async function reach(path: string, wanted: Wanted): Promise<Reached> {
  const { body } = await ask(path, 'GET', '/status', PATIENCE_MS).catch((error: NodeJS.ErrnoException) => {
    throw new TsgunError('noInstance', whyNot(error, path));
  });
  const status = body as Status;
  if (status?.version !== 1) {
    throw new TsgunError('noInstance', `${path} does not answer as the control socket of this version of tsgun`);
  }
  if (!isMeant({ path, name: status.name, pid: status.pid, status }, wanted)) {
    throw new TsgunError(
      'noInstance',
      `at ${path} runs ${status.name} (pid ${status.pid}), which is not the one that is named`,
    );
  }
  return { socket: path, status };
}

function whyNot({ code, message }: NodeJS.ErrnoException, path: string): string {
  switch (code) {
    case 'ENOENT':
      return `no running instance: there is no ${path}`;
    case 'ECONNREFUSED':
      return `no running instance: nobody listens at ${path} any more`;
    case 'EACCES':
    case 'EPERM':
      return `${path} is for another user: permission denied`;
    case 'ETIMEDOUT':
      return `it does not answer at ${path} within ${PATIENCE_MS / 1000} s: its process may be stopped`;
    default:
      return `${path} does not answer as a control socket does: ${message}`;
  }
}

function noInstance({ name, pid }: Wanted, others: readonly Looked[]): TsgunError {
  const which = [...(name === undefined ? [] : [`named "${name}"`]), ...(pid === undefined ? [] : [`with pid ${pid}`])];
  const message = ['no running instance', ...which].join(' ');
  if (others.length > 0) return new TsgunError('noInstance', message, `there is ${list(others)}`);
  const hint = 'one of another user, or with a --control-socket of its own, is found by --control-socket PATH';
  return new TsgunError('noInstance', message, hint);
}

const list = (all: readonly Found[]) => all.map(({ name, pid }) => `${name} (pid ${pid})`).join(', ');

/** Where this process would have put its socket, as far as /proc lets us see its user and its environment. */
function foldersOf(pid: number | undefined): string[] {
  if (pid === undefined) return [];
  try {
    const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const env = Object.fromEntries(lines.map((line) => [line.split('=', 1)[0]!, line.slice(line.indexOf('=') + 1)]));
    return foldersToSearch(env, statSync(`/proc/${pid}`).uid);
  } catch {
    return [];
  }
}

/** Two names may lead to one folder. */
function realFolder(folder: string): string[] {
  try {
    return [realpathSync(folder)];
  } catch {
    return [];
  }
}
