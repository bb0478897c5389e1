import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';

/** What decides whether the master may be replaced by one of another number. */
export interface Circumstances {
  pid: number;
  ppid: number;
  env: Readonly<Record<string, string | undefined>>;
  /** It has a controlling terminal: a person started it, and no supervisor waits for its end. */
  hasTerminal: boolean;
  /** The terminal closes when it ends, as that of `ssh -t host tsgun app.js`. */
  leadsSession: boolean;
  mode: 'auto' | 'force' | 'off';
}

/**
 * Whoever supervises the old master sees it end, and may start another, or end the new one with it. Nobody can be told so
 * far, so that only a master that a person has started in a shell is upgraded without --upgrade force.
 * @returns why not, as the rest of a sentence
 */
export function mayUpgrade(circumstances: Circumstances): string | undefined {
  const { mode } = circumstances;
  if (mode === 'off') return '--upgrade off forbids it';
  return mode === 'force' ? undefined : dangerOf(circumstances);
}

/** What goes wrong with the upgrade of a master in these circumstances, unless somebody has seen to it. */
export function dangerOf({ pid, ppid, env, hasTerminal, leadsSession }: Circumstances): string | undefined {
  if (pid === 1) return 'this is PID 1, with whose end the container ends';
  if (env.NOTIFY_SOCKET) return 'the service manager of NOTIFY_SOCKET cannot be told of the new master yet';
  if (!hasTerminal)
    return `there is no terminal, and a supervisor (parent: pid ${ppid}) would take the end of this master for a crash`;
  if (leadsSession) return 'this master leads the session of its terminal, which closes with it';
  return undefined;
}

export function circumstances(mode: Circumstances['mode']): Circumstances {
  const { pid, ppid, env } = process;
  return { pid, ppid, env, mode, ...terminal(pid) };
}

export function terminal(pid: number): Pick<Circumstances, 'hasTerminal' | 'leadsSession'> {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    // Behind the name, which may hold anything: state, ppid, pgrp, session, tty_nr.
    const [, , , session, tty] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { hasTerminal: Number(tty) !== 0, leadsSession: Number(session) === pid };
  } catch {
    return { hasTerminal: [0, 1, 2].some(isatty), leadsSession: false };
  }
}
