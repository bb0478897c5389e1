import { closeSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { TsgunError } from '../errors.ts';

/** The file that holds the master's number. */
export class Pidfile {
  readonly #final: string;
  readonly #predecessor: number | undefined;
  #path: string;

  /** @param predecessor  pid of the master that this one is to replace: until then its own file has `.2` at the end */
  constructor(path: string, predecessor?: number) {
    this.#final = path;
    this.#predecessor = predecessor;
    this.#path = predecessor === undefined ? path : `${path}.2`;
  }

  /**
   * Writes it, whole or not at all. A stale one is replaced: its process is dead, or no tsgun, or has our own number (as
   * PID 1 of a container whose volume outlived the last one).
   * @throws TsgunError('pidfile') when a living tsgun stands in it, or it cannot be written
   */
  write(): void {
    for (const path of new Set([this.#final, this.#path])) this.#refuse(path);
    const temporary = `${this.#path}.${process.pid}`;
    try {
      const fd = openSync(temporary, 'w', 0o644);
      writeSync(fd, `${process.pid}\n`);
      closeSync(fd);
      renameSync(temporary, this.#path);
    } catch (error) {
      removeQuietly(temporary);
      const { code } = error as NodeJS.ErrnoException;
      const why = code === 'ENOENT' ? `the directory ${dirname(this.#path)} does not exist` : (error as Error).message;
      throw new TsgunError('pidfile', `cannot write the pid file ${this.#path}: ${why}`, undefined, { cause: error });
    }
  }

  /** The predecessor leaves it to this master: who looks finds one of both numbers in it at every moment. */
  takeOver(): void {
    try {
      renameSync(this.#path, this.#final);
      this.#path = this.#final;
    } catch {
      // Somebody has removed it, or the directory is somebody else's by now.
    }
  }

  /** Removes it, if it is still ours. */
  remove(): void {
    if (readPid(this.#path) === process.pid) removeQuietly(this.#path);
  }

  /** Removes what a successor has left that was killed. */
  removeOf(successor: number): void {
    const path = `${this.#final}.2`;
    if (readPid(path) === successor) removeQuietly(path);
  }

  #refuse(path: string): void {
    const pid = readPid(path);
    if (pid !== undefined && pid !== process.pid && pid !== this.#predecessor && isTsgun(pid)) {
      throw new TsgunError(
        'pidfile',
        `the pid file ${path} belongs to a running tsgun (pid ${pid})`,
        `stop it with kill -TERM ${pid}, or choose another --pid`,
      );
    }
    if (pid === undefined && holdsSomething(path)) {
      throw new TsgunError('pidfile', `${path} is no pid file, and is not overwritten`, 'choose another --pid');
    }
  }
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The directory may have become somebody else's: the number in it is stale then, which the next start sees.
  }
}

function holdsSomething(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() === true && readFileSync(path, 'utf8').trim() !== '';
}

/** Whether the process lives and is a tsgun, as far as its title or command line tells. */
function isTsgun(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words[0]!.startsWith('tsgun: master') || words.slice(0, 3).some((word) => /(^|\/)tsgun(\.js)?$/.test(word));
  } catch {
    // No /proc to ask: what lives is taken for what it says it is.
    return process.platform !== 'linux';
  }
}
