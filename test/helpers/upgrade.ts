/** Masters that replace each other: each is started by the one before, and none is a child of the test. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { register } from './cleanup.ts';
import type { LogRecord } from './journal.ts';
import { alive, commandLine, until, waitGone } from './proc.ts';
import type { Tsgun } from './running.ts';
import { tempApp } from './temp.ts';

/** An application of two workers that may be upgraded, and is quick to leave. */
export const usual = ['app.js', '-w', '2', '--upgrade', 'force', '--drain-linger', '1', '--graceful-timeout', '5'];

/** An application as app.js that does not come to its end of loading while it is held. */
export function heldApp(): { cwd: string; hold(): void; release(): void } {
  const cwd = tempApp({
    'package.json': '{ "type": "module" }',
    'app.js': `import { existsSync } from 'node:fs';
      while (existsSync('hold')) await new Promise((done) => setTimeout(done, 10));
      export default (req, res) => res.end(String(process.pid));`,
  });
  const file = join(cwd, 'hold');
  return { cwd, hold: () => writeFileSync(file, ''), release: () => rmSync(file) };
}

export interface Upgraded {
  /** Pid of the new master. */
  pid: number;
  record: LogRecord;
}

/** Sends USR2 to the master (default: the one that the test has started), and waits until another has taken over and it is gone. */
export async function upgrade(tsgun: Tsgun, master = tsgun.pid): Promise<Upgraded> {
  const since = tsgun.mark();
  process.kill(master, 'SIGUSR2');
  const record = await tsgun.waitFor('takeover', { since, timeoutMs: 20_000 });
  const pid = record.pid as number;
  follow(pid);
  await waitGone(master);
  return { pid, record };
}

/** Sends USR2 to the test's own master, and returns the pid of the new one, which is only starting. */
export async function beginUpgrade(tsgun: Tsgun): Promise<number> {
  const since = tsgun.mark();
  tsgun.signal('SIGUSR2');
  const { pid } = await tsgun.waitFor('upgrade', { since });
  follow(pid as number);
  return pid as number;
}

/** TERM, and waits for the end. */
export async function stopMaster(pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM');
  await waitGone(pid);
}

/** At the test's end it is told to stop, as the master is that the test has started. */
export function follow(pid: number): void {
  register({
    async clean() {
      if (!alive(pid) || !commandLine(pid).includes('tsgun')) return '';
      for (const signal of ['SIGCONT', 'SIGQUIT'] as const) process.kill(pid, signal);
      await until(() => !alive(pid), `master ${pid} should end after QUIT`);
      return '';
    },
  });
}
