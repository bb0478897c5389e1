import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

/** Prints how long each test file took, and adds the totals as a line of JSON to the file that $TSGUN_TEST_TOTALS names. */
export default class FileTimes implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const totals = { passed: 0, failed: 0, skipped: 0 };
    const times = modules.map((module) => {
      let own = module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'failed') own++;
        if (state === 'passed' || state === 'skipped') totals[state]++;
      }
      totals.failed += own;
      const { setupDuration, collectDuration, duration } = module.diagnostic();
      return { file: relative(process.cwd(), module.moduleId), ms: setupDuration + collectDuration + duration };
    });
    totals.failed += errors.length;
    if (reason !== 'passed' && totals.failed === 0) totals.failed = 1; // interrupted, or a hook of vitest's own failed
    for (const { file, ms } of times.sort((a, b) => b.ms - a.ms)) {
      console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${file}`);
    }
    const path = process.env.TSGUN_TEST_TOTALS;
    if (path !== undefined) appendFileSync(path, `${JSON.stringify(totals)}\n`);
  }
}
