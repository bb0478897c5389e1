/** Where control sockets are: the master makes one in the first folder that it may use, a client looks in all. */
import { accessSync, constants, lstatSync, mkdirSync, readdirSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../../config/environment.ts';

/** Folder for all instances of the machine that root, or a service with the right to, has started. */
const SYSTEM = '/run/tsgun';

const uid = (): number => process.getuid?.() ?? -1;

/** The last resort; the temporary directory belongs to everybody, so the folder is looked at before it is used. */
const ownFolder = (env: Env, owner: number): string => join(env.TMPDIR || tmpdir(), `tsgun-${owner}`);

/** systemd names several folders with colons between them. */
const serviceFolder = (env: Env): string | undefined => env.RUNTIME_DIRECTORY?.split(':')[0] || undefined;

/** @returns the folder for a new control socket, made where it was missing; undefined: there is none */
export function folderForNew(env: Env): string | undefined {
  const service = serviceFolder(env);
  if (service !== undefined && isUsable(service)) return service;
  const session = env.XDG_RUNTIME_DIR;
  // After `sudo -E` it is another user's, who could not use a folder of root's in it.
  if (session && lookAt(session)?.uid === uid() && isUsable(make(join(session, 'tsgun'), 0o700))) {
    return join(session, 'tsgun');
  }
  if (isUsable(make(SYSTEM, 0o755))) return SYSTEM;
  const own = make(ownFolder(env, uid()), 0o700);
  return isPrivate(own, uid()) ? own : undefined;
}

/** All folders in which a control socket may be that was made by this user, in this environment. */
export function foldersToSearch(env: Env, owner = uid()): string[] {
  const session = [env.XDG_RUNTIME_DIR || undefined, `/run/user/${owner}`].flatMap((folder) =>
    folder === undefined ? [] : [join(folder, 'tsgun')],
  );
  const service = serviceFolder(env);
  // RuntimeDirectory=tsgun/shop gives a service a folder of its own below the common one.
  const services = list(SYSTEM).map((name) => join(SYSTEM, name));
  const own = [ownFolder(env, owner)].filter((folder) => isPrivate(folder, owner));
  const all = [...(service === undefined ? [] : [service]), ...session, SYSTEM, ...services, ...own];
  return [...new Set(all)];
}

/** `NAME.PID.sock`; whatever is no plain letter of the name becomes a hyphen. */
export function socketName(name: string, pid: number): string {
  const plain = name.replace(/[^\w.-]+/g, '-').replace(/^[.-]+/, '');
  return `${plain.slice(0, 40) || 'tsgun'}.${pid}.sock`;
}

export interface Found {
  path: string;
  /** As the file's name has it. */
  name: string;
  pid: number;
}

/** The control sockets in a folder that belong to this user or to root; for root, those of everybody. */
export function socketsIn(folder: string): Found[] {
  return list(folder).flatMap((file) => {
    const [, name, pid] = /^(.+)\.(\d+)\.sock$/.exec(file) ?? [];
    const path = join(folder, file);
    const stats = name === undefined ? undefined : lookAt(path);
    if (name === undefined || !stats?.isSocket()) return [];
    // Anybody else's would have us believe what it likes.
    if (uid() !== 0 && stats.uid !== uid() && stats.uid !== 0) return [];
    return [{ path, name, pid: Number(pid) }];
  });
}

/** Removes the sockets of masters that were killed: nobody listens there any more. @returns the others */
export async function removeStale(found: readonly Found[]): Promise<Found[]> {
  const living = await Promise.all(
    found.map(async (each) => {
      const before = lookAt(each.path);
      if (!(await isStale(each.path))) return [each];
      try {
        if (before?.ino === lookAt(each.path)?.ino) unlinkSync(each.path);
      } catch {
        // Somebody else did, or it is not ours to do.
      }
      return [];
    }),
  );
  return living.flat();
}

/** A socket shows under its name only when it listens: refused means dead. */
function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

/** Makes the folder, if it can; whether it can be used is another question. */
function make(folder: string, mode: number): string {
  try {
    mkdirSync(folder, { mode });
  } catch {
    // It exists, or cannot be made.
  }
  return folder;
}

function isUsable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

/** Nobody else can have put it there, or put something in it. */
function isPrivate(folder: string, owner: number): boolean {
  const stats = lookAt(folder);
  return stats?.isDirectory() === true && stats.uid === owner && (stats.mode & 0o077) === 0;
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
