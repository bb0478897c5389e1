/** What a person can get wrong on the command line, in files and in the environment: one clear line and the right exit code. */
import { expect, test } from 'vitest';
import { hello } from '../helpers/apps.ts';
import { tempApp } from '../helpers/temp.ts';
import { type StartOptions, startTsgun } from '../helpers/tsgun.ts';

/** Runs tsgun, which is expected to end by itself, on these files. */
async function refuse(files: Record<string, string>, args: string[], options: StartOptions = {}) {
  const tsgun = startTsgun(args, { json: false, ...options, cwd: tempApp(files) });
  const { code, signal } = await tsgun.exit;
  expect(signal).toBeNull();
  return {
    code,
    stderr: tsgun.stderr(),
    lines: tsgun.stderr().trimEnd().split('\n'),
    spawned: /booting worker/.test(tsgun.stderr()),
  };
}

const files = { 'app.js': hello };

test('an unknown flag: exit 2, and the nearest name', async () => {
  const { code, stderr, lines, spawned } = await refuse(files, ['app.js', '--wrokers', '2']);
  expect(stderr).toMatch(/--wrokers.*--workers/s);
  expect(lines.length).toBeLessThanOrEqual(2);
  expect({ code, spawned }).toEqual({ code: 2, spawned: false });
});

test('a bad value on the command line: exit 2, what was expected and what came', async () => {
  const { code, stderr } = await refuse(files, ['app.js', '--workers', 'four']);
  expect(stderr).toMatch(/workers.*expected.*"?four"?/);
  expect(code).toBe(2);
});

test('a bad value in the environment: exit 1, and the name of the variable', async () => {
  const { code, stderr } = await refuse(files, ['app.js'], { env: { WEB_CONCURRENCY: 'many' } });
  expect(stderr).toMatch(/WEB_CONCURRENCY.*expected.*many/);
  expect(code).toBe(1);
});

test('a bad configuration file: exit 1, and the place', async () => {
  const config = (text: string) => ({ ...files, 'tsgun.config.mjs': `export default ${text};` });
  const unknown = await refuse(config('{ worker: 4 }'), ['app.js']);
  expect(unknown.stderr).toMatch(/tsgun\.config\.mjs.*worker.*workers/);
  expect(unknown.code).toBe(1);
  const wrong = await refuse(config('{ workers: "four" }'), ['app.js']);
  expect(wrong.stderr).toMatch(/tsgun\.config\.mjs.*workers.*expected.*"four"/);
  expect(wrong.code).toBe(1);
  const throws = await refuse(config('(() => { throw new Error("no luck") })()'), ['app.js']);
  expect(throws.stderr).toMatch(/tsgun\.config\.mjs.*no luck/s);
  expect(throws.code).toBe(1);
  const missing = await refuse(files, ['app.js', '--config', 'none.mjs']);
  expect(missing.stderr).toContain('none.mjs');
  expect(missing.code).toBe(1);
});

test('no application at all: exit 2', async () => {
  const { code, stderr } = await refuse({ 'other.txt': '' }, []);
  expect(stderr).toMatch(/app/i);
  expect(code).toBe(2);
});

test('a misspelt command: exit 2, and the command that was meant', async () => {
  const { code, stderr } = await refuse(files, ['relod']);
  expect(stderr).toMatch(/relod.*reload/);
  expect(code).toBe(2);
});

test('an application that is not there: exit 4, and the file that was meant', async () => {
  const { code, stderr } = await refuse(files, ['ap.js', '-b', '127.0.0.1:0']);
  expect(stderr).toMatch(/ap\.js.*app\.js/s);
  expect(code).toBe(4);
});

test('an export that is not there, or is no application: exit 4, what was found and what would work', async () => {
  const odd = { 'app.js': `module.exports = { colour: 'red', size: 7 };` };
  const none = await refuse(odd, ['app.js:server', '-b', '127.0.0.1:0']);
  expect(none.stderr).toMatch(/app\.js.*server/s);
  expect(none.code).toBe(4);
  const named = await refuse(odd, ['app.js:colour', '-b', '127.0.0.1:0']);
  expect(named.stderr).toMatch(/colour.*string/s);
  expect(named.code).toBe(4);
  const main = await refuse(odd, ['app.js', '-b', '127.0.0.1:0']);
  expect(main.stderr).toMatch(/colour, size/);
  expect(main.code).toBe(4);
});

/** Every frame of the failing function that the log shows. */
const frames = (stderr: string) => stderr.match(/at (async )?brokenPart /g) ?? [];

const broken = {
  'throws at import': `function brokenPart() { throw new Error('out of paint'); }\nbrokenPart();`,
  'throws at import (ES module)': `function brokenPart() { throw new Error('out of paint'); }\nbrokenPart();\nexport {};`,
  'throws at the first tick': `function brokenPart() { throw new Error('out of paint'); }\n${hello}\nprocess.nextTick(brokenPart);`,
  'rejects at the first tick': `async function brokenPart() { throw new Error('out of paint'); }\n${hello}\nbrokenPart();`,
  'throws in the factory': `function brokenPart() { throw new Error('out of paint'); }\nmodule.exports = () => brokenPart();`,
  'rejects in the factory': `async function brokenPart() { throw new Error('out of paint'); }\nmodule.exports = async () => { await brokenPart(); };`,
};

test.for(Object.entries(broken))('an application that %s: exit 3, its own stack once', async ([, source]) => {
  const name = source.includes('export {}') ? 'app.mjs' : 'app.cjs';
  const { code, stderr } = await refuse({ [name]: source }, [name, '-w', '3', '-b', '127.0.0.1:0']);
  expect(stderr).toContain('out of paint');
  expect(frames(stderr)).toHaveLength(1);
  expect(code).toBe(3);
});

test('a syntax error: exit 3, and the line', async () => {
  const { code, stderr } = await refuse({ 'app.js': 'const ready = true;\nconst = 4;' }, [
    'app.js',
    '-b',
    '127.0.0.1:0',
  ]);
  expect(stderr).toMatch(/app\.js:2/);
  expect(stderr).toContain('SyntaxError');
  expect(code).toBe(3);
});

test.for([
  ['waits for ever', `setInterval(() => {}, 1e9);\nmodule.exports = () => new Promise(() => {});`],
  ['blocks for ever', `for (;;);`],
])('an application that %s while it loads: exit 3 after --boot-timeout', async ([, source]) => {
  const start = Date.now();
  const { code, stderr } = await refuse({ 'app.js': source as string }, [
    'app.js',
    '-w',
    '2',
    '-b',
    '127.0.0.1:0',
    '--boot-timeout',
    '1',
  ]);
  expect(stderr).toMatch(/boot-timeout|1(\.0)? s/);
  expect(code).toBe(3);
  expect(Date.now() - start).toBeGreaterThan(1000);
});

test.for([0, 1])('an application that exits with code %i while it loads: exit 3', async (exitCode) => {
  const { code, stderr } = await refuse({ 'app.js': `process.exit(${exitCode});` }, ['app.js', '-b', '127.0.0.1:0']);
  expect(stderr).toMatch(new RegExp(`(code|exit\\()\\s?${exitCode}`));
  expect(code).toBe(3);
});

test('a program that ends without listening is not waited for', async () => {
  const start = Date.now();
  const { code, stderr } = await refuse({ 'app.js': `console.log('done');` }, ['app.js', '-b', '127.0.0.1:0']);
  expect(stderr).toMatch(/listen/);
  expect([3, 4]).toContain(code);
  expect(Date.now() - start).toBeLessThan(15_000); // --boot-timeout is 60 s
});

test('an environment file that is not there: refused, with its name', async () => {
  const config = { ...files, 'tsgun.config.mjs': `export default { envFile: ['none.env'] };` };
  const inFile = await refuse(config, ['app.js']);
  expect(inFile.stderr).toContain('none.env');
  expect(inFile.code).toBe(1);
  // Node looks for --env-file in all of the command line, and ends with 9 before tsgun is loaded.
  const onCommandLine = await refuse(files, ['app.js', '--env-file', 'none.env']);
  expect(onCommandLine.stderr).toContain('none.env');
  expect([1, 9]).toContain(onCommandLine.code);
});

test('a directory to change to that is not there: exit 1, and its name', async () => {
  const { code, stderr } = await refuse(files, ['app.js', '--chdir', 'none/such']);
  expect(stderr).toContain('none/such');
  expect([1, 2]).toContain(code);
});
