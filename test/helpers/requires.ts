import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'vitest';

const inCi = !['', '0', 'false', undefined].includes(process.env.CI);

/** The path of a program, looked for in PATH and in the places where Debian puts servers. */
export function which(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    });
}

/** Goes on when the condition holds; else skips the test with the reason, and fails it in CI. */
export function requires(context: TestContext, condition: boolean, reason: string): void {
  if (condition) return;
  if (inCi) throw new Error(`this test cannot be skipped in CI: ${reason}`);
  context.skip(reason);
}

/** The paths of programs without which the test cannot run: `const [nginx] = needs(context, 'nginx')`. */
export function needs(context: TestContext, ...programs: string[]): string[] {
  return programs.map((program) => {
    const path = which(program);
    requires(context, path !== undefined, `needs ${program}, which is not installed`);
    return path as string;
  });
}
