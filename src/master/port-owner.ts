import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** TCP_LISTEN in the `st` column of /proc/net/tcp (proc(5)). */
const LISTENING = '0A';

/**
 * Who listens on a port, as far as /proc tells us: a worker that hangs keeps its socket after its master was killed.
 * @returns `pid 4242, node server.js`, or undefined
 */
export function portOwner(port: number): string | undefined {
  try {
    const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(table, port));
    for (const pid of inodes.length > 0 ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : []) {
      if (holdsSocket(pid, inodes)) return `pid ${pid}, ${commandLine(pid)}`;
    }
  } catch {
    // No /proc, or not ours to read: the error stands without it.
  }
  return undefined;
}

function listeningInodes(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync(table, 'utf8')
    .split('\n')
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(`:${hex}`) && columns[3] === LISTENING)
    .map((columns) => columns[9]!);
}

function holdsSocket(pid: string, inodes: readonly string[]): boolean {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return inodes.some((inode) => links.includes(`socket:[${inode}]`));
  } catch {
    return false;
  }
}

function commandLine(pid: string): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 80);
}
