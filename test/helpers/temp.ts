import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { register } from './cleanup.ts';

/** A new directory (real path, short enough for unix sockets), removed after the test unless it failed. */
export function tempDir(): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'tsgun-')));
  register({
    async clean(failed) {
      if (failed) return `the files of the failed test are kept in ${dir}\n`;
      rmSync(dir, { recursive: true, force: true });
      return '';
    },
  });
  return dir;
}

/** Writes files (relative path to content; `.sh` files become executable) and returns the path of the first one. */
export function writeApp(dir: string, files: Record<string, string> | string): string {
  const all = typeof files === 'string' ? { 'app.js': files } : files;
  const paths = Object.entries(all).map(([name, content]) => {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    if (name.endsWith('.sh')) chmodSync(path, 0o755);
    return path;
  });
  const [first] = paths;
  if (first === undefined) throw new Error('writeApp: no files given');
  return first;
}

/** A new directory with these files in it. */
export function tempApp(files: Record<string, string> | string): string {
  const dir = tempDir();
  writeApp(dir, files);
  return dir;
}
