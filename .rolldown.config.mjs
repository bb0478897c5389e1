import { defineConfig } from 'rolldown';

// The executables are bundled, as CommonJS: a start is two Node boots in a row, and reading some fifty ES modules twice
// would cost more than all that tsgun does (measured in ARCHITECTURE.md). The library entry stays an ES module.
const shared = {
  platform: 'node',
  external: [/^[a-z@][^:]*$/, /^node:/],
  output: { sourcemap: true, minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } } },
};

export default defineConfig([
  {
    ...shared,
    input: { 'cli/main': 'src/cli/main.ts', 'worker/main': 'src/worker/main.ts' },
    output: {
      ...shared.output,
      dir: 'dist',
      format: 'cjs',
      entryFileNames: '[name].cjs',
      chunkFileNames: 'chunks/[name].cjs',
    },
  },
  {
    ...shared,
    input: { index: 'src/index.ts' },
    output: { ...shared.output, dir: 'dist', format: 'esm', cleanDir: false },
  },
]);
