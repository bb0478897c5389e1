import { defineConfig } from 'vitest/config';

// Two projects: `unit` is pure and quick, `e2e` runs the built program as real processes.
// $TSGUN_TEST_NODE names the Node binary that the e2e tests spawn; vitest itself stays on the machine's.
const shared = { setupFiles: ['test/helpers/setup.ts'], unstubEnvs: true };

export default defineConfig({
  test: {
    reporters: ['default', './test/helpers/reporter.ts'],
    maxWorkers: 2,
    projects: [
      { test: { ...shared, name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 20_000 } },
      {
        test: {
          ...shared,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/helpers/build.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
