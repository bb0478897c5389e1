import { defineConfig } from 'rolldown';

// The executables are bundled, as CommonJS: a start is two Node boots in a row, and reading some fifty ES modules twice
// would cost more than all that tsgun does (measured in ARCHITECTURE.md). The library entry stays an ES module.
const shared = {
  platform: 'node',
  external: [/^[a-z@][^:]*$/, /^node:/],
  output: { sourcemap: true, minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } } },
};

// One at a time: what both have in common is in both, since each further file costs a start 0.3 ms.
const executable = (name) => ({
  ...shared,
  input: { main: `src/${name}/main.ts` },
  output: {
    ...shared.output,
    dir: `dist/${name}`,
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name].cjs',
    cleanDir: false,
  },
});

export default defineConfig([
  executable('cli'),
  executable('worker'),
  {
    ...shared,
    input: { index: 'src/index.ts' },
    output: { ...shared.output, dir: 'dist', format: 'esm', cleanDir: false },
  },
]);
