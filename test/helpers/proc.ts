/** What Linux's /proc knows of a process. Everything here is a snapshot: a process may be gone a moment later. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcStat {
  pid: number;
  name: string;
  /** One letter: R running, S sleeping, T stopped, Z zombie, … */
  state: string;
  ppid: number;
  pgrp: number;
  session: number;
  /** 0 without a controlling terminal. */
  tty: number;
  /** CPU time used, in clock ticks (a hundredth of a second). */
  ticks: number;
  threads: number;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // gone, or not ours to look at
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

export function procStat(pid: number): ProcStat | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const end = text.lastIndexOf(')'); // the name may hold spaces and parentheses
  const field = text.slice(end + 2).split(' ');
  const number = (index: number) => Number(field[index]);
  return {
    pid,
    name: text.slice(text.indexOf('(') + 1, end),
    state: field[0] ?? '?',
    ppid: number(1),
    pgrp: number(2),
    session: number(3),
    tty: number(4),
    ticks: number(11) + number(12),
    threads: number(17),
  };
}

/** True while the process exists and is no zombie. */
export function alive(pid: number): boolean {
  const stat = procStat(pid);
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

export function pids(): number[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Living children (zombies are left out). */
export function children(pid: number): number[] {
  return pids().filter((other) => {
    const stat = procStat(other);
    return stat?.ppid === pid && stat.state !== 'Z';
  });
}

/** Living processes that were started with this variable in their environment. */
export function marked(name: string, value: string): number[] {
  const wanted = `${name}=${value}`;
  return pids().filter((pid) => alive(pid) && read(`/proc/${pid}/environ`)?.split('\0').includes(wanted));
}

/** The command line as `ps` shows it, with the title that the process gave itself. */
export function commandLine(pid: number): string {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').join(' ').trim();
}

/** Open descriptors and what they point to, such as `socket:[4711]` or `/dev/null`. */
export function descriptorsOf(pid: number): Map<number, string> {
  const found = new Map<number, string>();
  for (const fd of list(`/proc/${pid}/fd`)) {
    try {
      found.set(Number(fd), readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      // closed in the meantime
    }
  }
  return found;
}

/** TCP ports in LISTEN of which the process holds the socket, ascending. */
export function listeningPorts(pid: number): number[] {
  const inodes = new Set<string>();
  for (const target of descriptorsOf(pid).values()) {
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) inodes.add(inode);
  }
  return [
    ...new Set(
      listenRows()
        .filter((row) => inodes.has(row.inode))
        .map((row) => row.port),
    ),
  ].sort((a, b) => a - b);
}

/** True when any process listens on the TCP port. */
export function portListens(port: number): boolean {
  return listenRows().some((row) => row.port === port);
}

function listenRows(): { port: number; inode: string }[] {
  const rows: { port: number; inode: string }[] = [];
  for (const table of ['tcp', 'tcp6']) {
    for (const line of (read(`/proc/net/${table}`) ?? '').split('\n').slice(1)) {
      const field = line.trim().split(/\s+/);
      if (field[3] !== '0A') continue; // LISTEN
      rows.push({ port: Number.parseInt(field[1]?.split(':')[1] ?? '0', 16), inode: field[9] ?? '' });
    }
  }
  return rows;
}

/** Resolves when the condition holds; rejects after `timeoutMs` with the text of `what`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  timeoutMs = 10_000,
  everyMs = 20,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(everyMs);
  }
}

/** Resolves when the process has ended. */
export function waitGone(pid: number, timeoutMs = 10_000): Promise<void> {
  return until(
    () => !alive(pid),
    () => `process ${pid} (${commandLine(pid)}) should be gone`,
    timeoutMs,
  );
}
