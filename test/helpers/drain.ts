/** What tests of draining share. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTsgun, type Tsgun } from './tsgun.ts';

/** Where the applications are. */
export const drainApps = join(import.meta.dirname, '../fixtures/apps/drain');

/** How long idle connections linger, and requests may take, in these tests; seconds. */
export const limits = ['--drain-linger', '1', '--graceful-timeout', '5'];

/** One worker, so that it is the one that drains. */
export function serve(app: string, args: string[] = [], env: Record<string, string> = {}): Promise<Tsgun> {
  return startTsgun([app, '-b', '127.0.0.1:0', ...limits, ...args], { cwd: drainApps, env }).ready();
}

/** Asks for a graceful stop and resolves when the workers are draining. */
export async function beginDrain(tsgun: Tsgun): Promise<void> {
  tsgun.signal('SIGTERM');
  await tsgun.waitFor('drain');
  await sleep(150);
}

/** Resolves to the exit code and to how long the end took. */
export async function ended(tsgun: Tsgun, since: number): Promise<{ code: number | null; ms: number }> {
  const { code } = await tsgun.exit;
  return { code, ms: performance.now() - since };
}
