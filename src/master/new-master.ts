import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { eachLine } from '../shared/lines.ts';
import {
  CHANNEL_FD,
  type FromNewMaster,
  type FromOldMaster,
  type HandedSocket,
  type Handover,
  UPGRADE,
} from './handover.ts';
import { nodeBinary, ownScript, startEnv } from './own-program.ts';

export interface NewMasterListener {
  said(message: FromNewMaster): void;
  /** It has ended, or never began. @param how  `exited with code 3` */
  ended(how: string): void;
}

/** How long the end of what it has said is waited for, milliseconds. */
const LAST_WORDS_MS = 200;

/** The process of a new master, as the old one sees it. */
export class NewMaster {
  readonly pid: number | undefined;
  /** Resolves when it is gone, and that was told. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;

  /**
   * Starts it like this one: the same words, directory, environment and standard streams.
   * @param cwd  where this master was started, with symbolic links unresolved
   * @param fds  the descriptors here of the sockets that it is given
   * @throws Error when that fails at once
   */
  constructor(cwd: string, sockets: HandedSocket[], fds: number[], listener: NewMasterListener) {
    const handover: Handover = { master: process.pid, sockets };
    const env = startEnv();
    // In this session, not in one of its own: a new session has no terminal, and Ctrl-C would not reach it.
    this.#child = spawn(nodeBinary(cwd, env), [...process.execArgv, ownScript(cwd), ...process.argv.slice(2)], {
      cwd,
      env: { ...env, PWD: cwd, [UPGRADE]: JSON.stringify(handover) },
      stdio: ['inherit', 'inherit', 'inherit', 'pipe', ...fds],
    });
    this.pid = this.#child.pid;
    this.gone = ended(this.#child, cwd).then((how) => listener.ended(how));
    const channel = this.#channel;
    channel?.on('error', () => {});
    if (channel) eachLine(channel, (line) => receive(line, listener));
  }

  /** Tells it that it is in charge. */
  yours(): void {
    this.#channel?.write(`${JSON.stringify({ type: 'yours' } satisfies FromOldMaster)}\n`);
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  get #channel(): Socket | undefined {
    return this.#child.stdio[CHANNEL_FD] as Socket | undefined;
  }
}

function receive(line: string, listener: NewMasterListener): void {
  let message: FromNewMaster;
  try {
    message = JSON.parse(line) as FromNewMaster;
  } catch {
    // Another version of tsgun may have other things to say.
    return;
  }
  listener.said(message);
}

/** How a process has ended, when its last words are read; not longer than they may take. */
function ended(child: ChildProcess, cwd: string): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid !== undefined) return;
      // The system names the program, whatever is missing.
      const why = existsSync(cwd) ? error.message : `its working directory ${cwd} does not exist`;
      resolve(`could not be started: ${why}`);
    });
    child.once('exit', (code, signal) => {
      const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`;
      const timer = setTimeout(resolve, LAST_WORDS_MS, how);
      child.once('close', () => {
        clearTimeout(timer);
        resolve(how);
      });
    });
  });
}
