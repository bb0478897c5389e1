import { afterAll, afterEach, beforeEach } from 'vitest';
import { beginTest, endFile, endTest } from './cleanup.ts';

let anyFailed = false;

beforeEach(() => {
  beginTest();
});

afterEach(async ({ task }) => {
  const failed = task.result?.state === 'fail';
  anyFailed ||= failed;
  await endTest(failed);
}, 40_000);

afterAll(async () => {
  await endFile(anyFailed);
}, 40_000);
