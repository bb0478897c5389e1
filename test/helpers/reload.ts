/** A tsgun whose application is told apart by what it answers, and which is reloaded. */
import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { controlSocket, runCommand, startControlled } from './control.ts';
import type { LogRecord } from './journal.ts';
import type { LoadResult } from './load-client.ts';
import { tempApp, tempDir } from './temp.ts';
import type { Tsgun } from './tsgun.ts';

/** Answers with its version and the number of its process. */
export const version = (name: string | number): string =>
  `module.exports = (req, res) => res.end(JSON.stringify({ version: ${JSON.stringify(name)}, pid: process.pid }));\n`;

export interface Reloadable {
  tsgun: Tsgun;
  dir: string;
  /** Replaces the application's file, in one step. */
  deploy(source: string, name?: string): void;
  /** HUP, and the record of how it ended. */
  hup(): Promise<LogRecord>;
  /** What `tsgun COMMAND` says of it. */
  command(name: 'status' | 'reload', ...args: string[]): ReturnType<typeof runCommand>;
  versions(): Promise<Set<unknown>>;
}

/** Starts an application and waits until all of its workers serve. */
export async function startReloadable(
  source: string | Record<string, string>,
  workers: number,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<Reloadable> {
  const dir = tempApp(source);
  const runtime = tempDir();
  const all = ['-w', String(workers), ...args];
  const tsgun = startControlled('', all, { cwd: dir, env: { XDG_RUNTIME_DIR: runtime, ...env } });
  await tsgun.ready(workers);
  await controlSocket(tsgun);
  return {
    tsgun,
    dir,
    deploy(text, name = 'app.js') {
      writeFileSync(join(dir, `${name}.new`), text);
      renameSync(join(dir, `${name}.new`), join(dir, name));
    },
    async hup() {
      const since = tsgun.mark();
      tsgun.signal('SIGHUP');
      return tsgun.waitFor('rollout', { since, timeoutMs: 30_000 });
    },
    command: (name, ...more) => runCommand([name, ...more], { XDG_RUNTIME_DIR: runtime }),
    async versions() {
      const answers = await Promise.all(Array.from({ length: 24 }, () => tsgun.get()));
      return new Set(answers.map(({ body }) => JSON.parse(String(body)).version));
    },
  };
}

/** Points a symbolic link to another folder, as deploy tools do it. */
export function pointTo(link: string, folder: string): void {
  symlinkSync(folder, `${link}.new`);
  renameSync(`${link}.new`, link);
}

/** Not one request was lost, of more than a few. */
export function expectNoneLost({ ok, failures, examples }: LoadResult, atLeast = 100): void {
  expect(failures, examples.join('\n')).toBe(0);
  expect(ok).toBeGreaterThan(atLeast);
}
