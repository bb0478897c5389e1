import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  readFileSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import type { SocketFile } from './handover.ts';
import { type BoundHandle, bindPath } from './listeners-node.ts';

export interface UnixOptions {
  mode: number;
  /** Name or number. */
  group: string | undefined;
}

/** Why a path cannot be taken, as errno text has it. */
export type UnixRefusal = { code: string; detail?: string };

/**
 * A unix socket that shows under its path only when it listens. It is bound to a temporary name beside it, so that it
 * has its mode before anybody can connect, that libuv's unlink-by-name at close hits nobody's file, and that of two
 * masters which start together only one gets the path.
 */
export class UnixSocket<Holder extends { close(): void } = BoundHandle> {
  readonly path: string;
  readonly handle: Holder;
  readonly #temporary: string;
  #published: SocketFile | undefined;

  private constructor(path: string, temporary: string, handle: Holder) {
    this.path = path;
    this.#temporary = temporary;
    this.handle = handle;
  }

  /** One that another master has bound and shown. */
  static adopt(path: string, handle: BoundHandle, file: SocketFile): UnixSocket {
    const socket = new UnixSocket(path, '', handle);
    socket.#published = file;
    return socket;
  }

  /** The file under its path, once it is shown. */
  get file(): SocketFile | undefined {
    return this.#published;
  }

  /** Binds; refuses a path on which somebody listens and a file that is no socket. */
  static bind(path: string, options: UnixOptions): Promise<UnixSocket | UnixRefusal> {
    return UnixSocket.bindBy(bindPath, path, options);
  }

  /** The same for what somebody else binds: a server, or a handle; a number is the error's. */
  static async bindBy<Holder extends { close(): void }>(
    bind: (path: string) => Holder | number | Promise<Holder | number>,
    path: string,
    options: UnixOptions,
  ): Promise<UnixSocket<Holder> | UnixRefusal> {
    const occupant = await lookAt(path);
    if (occupant.refusal) return occupant.refusal;
    const temporary = temporaryName(path);
    removeQuietly(temporary);
    const handle = await bind(temporary);
    if (typeof handle === 'number') return { code: codeOf(handle) };
    try {
      chmodSync(temporary, options.mode);
      if (options.group !== undefined) chownSync(temporary, -1, groupId(options.group));
    } catch (error) {
      handle.close();
      removeQuietly(temporary);
      return { code: (error as NodeJS.ErrnoException).code ?? 'EINVAL', detail: (error as Error).message };
    }
    return new UnixSocket(path, temporary, handle);
  }

  /**
   * Shows the socket under its path. Replaces a stale one, never a live one. Before it listens, it looks stale itself:
   * the second call, when it does, tells whether it has been replaced meanwhile.
   */
  async publish(): Promise<UnixRefusal | undefined> {
    if (this.#published) return isAt(this.path, this.#published) ? undefined : { code: 'EADDRINUSE' };
    for (let tries = 0; tries < 5; tries++) {
      const occupant = await lookAt(this.path);
      if (occupant.refusal) return occupant.refusal;
      if (occupant.stale) moveAside(this.path, occupant.stale, `${this.#temporary}s`);
      try {
        // link(2) refuses an existing path, rename(2) would replace one that came to live meanwhile.
        linkSync(this.#temporary, this.path);
        this.#published = statSync(this.path);
        unlinkSync(this.#temporary);
        return undefined;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? 'EINVAL';
        if (code !== 'EEXIST') return { code };
      }
    }
    return { code: 'EADDRINUSE' };
  }

  /** Gives more permissions to the socket. */
  addMode(bits: number): void {
    const path = this.#published ? this.path : this.#temporary;
    chmodSync(path, (statSync(path).mode & 0o777) | bits);
  }

  /** Unlinks the path if what stands there is ours, and no other master's too. */
  close(shared = false): void {
    this.handle.close();
    if (this.#temporary !== '') removeQuietly(this.#temporary);
    if (this.#published && !shared && isAt(this.path, this.#published)) removeQuietly(this.path);
  }
}

interface Occupant {
  refusal?: UnixRefusal;
  /** A socket on which nobody listens any more. */
  stale?: Stats;
}

async function lookAt(path: string): Promise<Occupant> {
  const stats = statQuietly(path);
  if (!stats) return statQuietly(dirname(path)) ? {} : { refusal: { code: 'ENOENT' } };
  if (!stats.isSocket())
    return { refusal: { code: 'EEXIST', detail: 'there is a file of that name that is no socket' } };
  const code = await tryToConnect(path);
  if (code === 'ECONNREFUSED') return { stale: stats };
  if (code === 'ENOENT') return {};
  return { refusal: { code: code === 'EACCES' || code === 'EPERM' ? code : 'EADDRINUSE' } };
}

/** @returns the error's code, or undefined when somebody answered */
function tryToConnect(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}

/** Takes the stale socket away; if another has taken its place since we looked, it is put back. */
function moveAside(path: string, stale: Stats, aside: string): void {
  try {
    renameSync(path, aside);
    if (!isSame(statQuietly(aside), stale)) linkSync(aside, path);
    unlinkSync(aside);
  } catch {
    // Somebody else did it: the next look tells.
  }
}

/** As short as may be: the path of a socket has 107 bytes at the most. */
function temporaryName(path: string): string {
  const folder = dirname(path);
  return `${folder === '/' ? '' : folder}/.${process.pid.toString(36)}${(temporaries++).toString(36)}`;
}
let temporaries = 0;

function statQuietly(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already, which is all that was wanted.
  }
}

const isSame = (a: Stats | undefined, b: SocketFile): boolean => a !== undefined && a.ino === b.ino && a.dev === b.dev;

/** Whether that very file stands under the path. */
export const isAt = (path: string, file: SocketFile): boolean => isSame(statQuietly(path), file);

const codeOf = (errno: number): string => getSystemErrorMap().get(errno)?.[0] ?? `errno ${-errno}`;

/** @throws Error when there is no such group */
function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${group}:`));
  if (line === undefined) throw Object.assign(new Error(`no such group: ${group}`), { code: 'EINVAL' });
  return Number(line.split(':')[2]);
}
