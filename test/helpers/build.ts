import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** vitest's global set-up for e2e: the tests run what is in dist/, which must not be older than the source. */
export default function buildWhenStale(): void {
  const outputs = ['cli/main.cjs', 'worker/main.cjs', 'index.js'].map((file) => modified(join(root, 'dist', file)));
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const newest = Math.max(
    ...[...sources.map((file) => join('src', file)), '.rolldown.config.mjs'].map((file) => modified(join(root, file))),
  );
  if (Math.min(...outputs) >= newest) return;
  execFileSync(process.execPath, [join(root, 'node_modules/rolldown/bin/cli.mjs'), '-c', '.rolldown.config.mjs'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
