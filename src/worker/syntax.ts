import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const imported = /\b(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;
const mostFiles = 25;
const mostMs = 3000;

/**
 * Where a SyntaxError is. Node tells the file and line of one in an ES module only to its own fatal error handler, so
 * that `node --check` is asked about the entry and what it imports by relative paths (25 files and 3 s at most).
 * @param entry  absolute path of the main module
 * @param stack  the error's stack; when it names a place already, there is nothing to look for
 * @returns the place with the line of code, as Node prints it, or undefined
 */
export function locateSyntaxError(entry: string, stack: string): string | undefined {
  if (/^(file:\/\/)?\/.*:\d+$/m.test(stack.split('\n', 1)[0] ?? '') || /\n\s+at /.test(stack)) return undefined;
  const queue = [entry];
  const until = Date.now() + mostMs;
  for (let index = 0; index < Math.min(queue.length, mostFiles) && Date.now() < until; index++) {
    const file = queue[index]!;
    const { status, stderr } = spawnSync(process.execPath, ['--check', file], {
      encoding: 'utf8',
      timeout: mostMs,
      env: {},
    });
    if (status !== 0 && stderr.includes('SyntaxError')) return stderr.split('\n\n', 1)[0];
    for (const next of importsOf(file)) if (!queue.includes(next)) queue.push(next);
  }
  return undefined;
}

function importsOf(file: string): string[] {
  const source = readFileSync(file, 'utf8');
  const paths = Array.from(source.matchAll(imported), (match) => resolve(dirname(file), match[1]!));
  return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}
