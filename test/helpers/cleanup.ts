/**
 * What a test has started or created, and how it is put away. The hooks stand in setup.ts, which vitest loads for every
 * test file: an entry that was registered in a test is cleaned after that test, one from beforeAll or from the top of a
 * file after the file.
 */
export interface Entry {
  /**
   * Puts the thing away. Resolves to what a person should see when the test has failed ('' for nothing); throws when
   * the thing was not left as it should be, which fails the test.
   */
  clean(failed: boolean): Promise<string>;
}

let insideTest = false;
let ofTest: Entry[] = [];
let ofFile: Entry[] = [];

export function register(entry: Entry): void {
  (insideTest ? ofTest : ofFile).push(entry);
}

/** From now on entries belong to the running test. */
export function beginTest(): void {
  insideTest = true;
}

/** Cleans what the test registered, newest first. */
export async function endTest(failed: boolean): Promise<void> {
  insideTest = false;
  const entries = ofTest.reverse();
  ofTest = [];
  await cleanAll(entries, failed);
}

/** Cleans what was registered outside tests, newest first. */
export async function endFile(failed: boolean): Promise<void> {
  const entries = ofFile.reverse();
  ofFile = [];
  await cleanAll(entries, failed);
}

async function cleanAll(entries: Entry[], failed: boolean): Promise<void> {
  const errors: unknown[] = [];
  for (const entry of entries) {
    try {
      const evidence = await entry.clean(failed || errors.length > 0);
      if (evidence !== '') process.stderr.write(evidence);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, errors.map((error) => String(error)).join('\n'));
}
