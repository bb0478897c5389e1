import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { tempDir, writeApp } from './temp.ts';

/**
 * Bundles a program as the executables are: what `import()` does differs between the Node lines, and vitest's is another.
 * @returns its path, in a folder of its own that is removed after the test file or test
 */
export async function bundleProgram(source: string): Promise<string> {
  const dir = tempDir();
  const input = writeApp(dir, { 'program.ts': source });
  const bundle = await rolldown({ input, platform: 'node', external: /^[a-z@]/ });
  await bundle.write({ dir, format: 'cjs', entryFileNames: 'program.cjs' });
  return join(dir, 'program.cjs');
}
