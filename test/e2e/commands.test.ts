/** `tsgun status` and `tsgun reload`: which instance they find, what they print, and their exit codes. */
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { replyTo } from '../../src/master/control/routes.ts';
import { ControlServer } from '../../src/master/control/server.ts';
import type { ReloadResult, Status } from '../../src/shared/status.ts';
import { hello } from '../helpers/apps.ts';
import { controlSocket, runCommand, startControlled } from '../helpers/control.ts';
import { waitGone } from '../helpers/proc.ts';
import { requires } from '../helpers/requires.ts';
import { tempApp, tempDir } from '../helpers/temp.ts';
import { startTsgun } from '../helpers/tsgun.ts';

test('tsgun status: a table within 80 columns, and as JSON what the socket says', async () => {
  const env = { XDG_RUNTIME_DIR: tempDir() };
  const tsgun = startControlled(hello, ['-w', '2', '-n', 'shop'], { env });
  await controlSocket(tsgun);
  await tsgun.ready(2);
  const table = await runCommand(['status', '--name', 'shop'], env);
  expect(table).toMatchObject({ code: 0, stderr: '' });
  const lines = table.stdout.split('\n');
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines[0]).toMatch(new RegExp(`^shop \\(pid ${tsgun.pid}\\), tsgun .* on Node v.*, up \\d+ s$`));
  expect(lines.slice(1, 5)).toEqual([
    'serving: generation 1, 2 of 2 workers serve',
    `addresses: ${tsgun.address}`,
    '',
    expect.stringMatching(/^ID {2}SLOT +PID {2}GEN {2}STAGE +AGE$/),
  ]);
  const [first, second] = tsgun.workers();
  expect(lines[5]).toMatch(new RegExp(`^ 1 +0 +${first} +1  serving +\\d s$`));
  expect(lines[6]).toMatch(new RegExp(`^ 2 +1 +${second} +1  serving +\\d s$`));

  const json = await runCommand(['status', '--json', '--name', 'shop'], env);
  expect(json).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(json.stdout)).toMatchObject({ version: 1, name: 'shop', pid: tsgun.pid, goal: 2 });
});

test('a name cannot steer the terminal of whoever asks', async () => {
  const env = { XDG_RUNTIME_DIR: tempDir() };
  await controlSocket(startControlled(hello, ['-n', '\x1b[31mred'], { env }));
  const { code, stdout } = await runCommand(['status', '--name', '\x1b[31mred'], env);
  expect(code).toBe(0);
  expect(stdout).toContain('\\x1b[31mred (pid');
  expect(stdout).not.toContain('\x1b');
});

test('of several instances one has to be named: by name, pid or socket', async () => {
  const env = { XDG_RUNTIME_DIR: tempDir() };
  const own = join(tempDir(), 'own.sock');
  const shop = startControlled(hello, ['-n', 'shop'], { env });
  const blog = startControlled(hello, ['-n', 'blog'], { env });
  const apart = startControlled(hello, ['-n', 'apart', '--control-socket', own], { env });
  for (const each of [shop, blog, apart]) await controlSocket(each);

  const none = await runCommand(['status'], env);
  expect(none).toMatchObject({ code: 5, stdout: '' });
  expect(none.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(none.stderr).toContain(`shop (pid ${shop.pid})`);
  expect(none.stderr).toContain(`blog (pid ${blog.pid})`);
  expect(none.stderr).toMatch(/--name, --pid or --control-socket/);
  expect((await runCommand(['reload'], env)).code).toBe(5);

  for (const [args, pid] of [
    [['--name', 'blog'], blog.pid],
    [['--pid', String(shop.pid)], shop.pid],
    [[`--control-socket=${own}`], apart.pid],
    [['--control-socket', own, '--name', 'apart'], apart.pid],
  ] as const) {
    const { code, stdout } = await runCommand(['status', '--json', ...args], env);
    expect({ code, pid: JSON.parse(stdout).pid }).toEqual({ code: 0, pid });
  }
  // Where the process was told to put its socket, whatever this environment says.
  const elsewhere = { XDG_RUNTIME_DIR: tempDir() };
  expect((await runCommand(['status', '--pid', String(shop.pid)], elsewhere)).code).toBe(0);
  for (const args of [
    ['--name', 'sho'],
    ['--pid', String(apart.pid)],
    ['--name', 'shop', '--pid', String(blog.pid)],
    ['--control-socket', own, '--name', 'shop'],
    ['--control-socket', `${own}.none`],
  ]) {
    const { code, stdout, stderr } = await runCommand(['status', ...args], env);
    expect({ code, stdout }, args.join(' ')).toEqual({ code: 5, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  }
});

test('no instance: one line and exit 5; what a killed one has left is cleaned', async (context) => {
  const machine = ['/run/tsgun', '/run/user/0/tsgun'].filter(
    (folder) => existsSync(folder) && readdirSync(folder).length,
  );
  requires(context, machine.length === 0, 'an instance runs on this machine');
  const runtime = tempDir();
  const env = { XDG_RUNTIME_DIR: runtime };
  const tsgun = startControlled(hello, [], { env });
  const left = await controlSocket(tsgun);
  await tsgun.ready();
  const workers = tsgun.workers();
  tsgun.signal('SIGKILL');
  await tsgun.exit;
  for (const pid of workers) await waitGone(pid);
  expect(existsSync(left)).toBe(true);
  const { code, stdout, stderr } = await runCommand(['status'], env);
  expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
  expect(stderr).toMatch(/^tsgun: no running instance; hint: .*\n$/);
  expect(existsSync(left)).toBe(false);
  expect((await runCommand(['reload', '--name', 'none'], env)).code).toBe(5);
});

test('a master that is stopped is not waited for', async () => {
  const env = { XDG_RUNTIME_DIR: tempDir() };
  const tsgun = startControlled(hello, ['-n', 'asleep'], { env });
  await controlSocket(tsgun);
  tsgun.signal('SIGSTOP');
  const { code, stderr } = await runCommand(['status', '--name', 'asleep'], env);
  expect(code).toBe(5);
  expect(stderr).toMatch(/asleep \(pid \d+\) runs, but it does not answer/);
});

test('what is typed wrong: exit 2, one line, the nearest name', async () => {
  const env = { XDG_RUNTIME_DIR: tempDir() };
  for (const [args, line] of [
    [['status', '--jsn'], /unknown option "--jsn"; did you mean "--json"\?/],
    [['reload', '--json'], /unknown option "--json"; hint: tsgun reload --help/],
    [['status', '--pid'], /--pid: a value is missing/],
    [['status', '--pid', '--json'], /--pid: a value is missing before --json/],
    [['status', '--pid', '12x'], /--pid: expected a process id, got "12x"/],
    [['reload', 'shop'], /"shop" is one word too many/],
  ] as const) {
    const { code, stdout, stderr } = await runCommand([...args], env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  }
  const help = await runCommand(['reload', '--help'], env);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toMatch(/--control-socket <path>/);
});

/** A control server of the real kind, whose reload ends as the test says. */
async function answering(
  reload: () => Promise<ReloadResult>,
): Promise<{ env: Record<string, string>; asked: Promise<void> }> {
  const runtime = tempDir();
  mkdirSync(join(runtime, 'tsgun'));
  const status = { version: 1, name: 'told', pid: process.pid } as Status;
  let told = () => {};
  const asked = new Promise<void>((resolve) => {
    told = resolve;
  });
  const ends = () => {
    told();
    return reload();
  };
  const instance = { ready: true, status: () => status, reload: ends };
  const control = new ControlServer((method, target) => replyTo(method, target, 'socket', instance));
  control.server.listen(join(runtime, 'tsgun', `told.${process.pid}.sock`));
  await once(control.server, 'listening');
  onTestFinished(() => control.stop({ status: 503, body: {} }));
  return { env: { XDG_RUNTIME_DIR: runtime }, asked };
}

const facts = { message: 'so it\x1b[2J went', durationMs: 1234, at: new Date(0).toISOString() };

test.for([
  [{ outcome: 'done', generation: 2, ...facts }, 0],
  [{ outcome: 'failed', generation: 2, ...facts, stack: 'Error: boom\n    at app.js:1', log: ['one', 'two'] }, 1],
  [{ outcome: 'mixed', generation: 2, ...facts }, 6],
] as [ReloadResult, number][])('tsgun reload, outcome %o: exit %i', async ([result, exitCode]) => {
  const { env } = await answering(async () => result);
  const { code, stdout, stderr } = await runCommand(['reload', '--name', 'told'], env);
  expect(code).toBe(exitCode);
  expect(stdout).toBe(`reload of told (pid ${process.pid}): ${result.outcome} after 1.2 s: so it\\x1b[2J went\n`);
  const evidence = "Error: boom\n    at app.js:1\nthe last lines of the worker's standard error:\none\ntwo\n";
  expect(stderr).toBe(result.outcome === 'failed' ? evidence : '');
});

test('a defect of the master is told as one: exit 70', async () => {
  const { env } = await answering(() => Promise.reject(new Error('odd')));
  const { code, stderr } = await runCommand(['reload', '--name', 'told'], env);
  expect(code).toBe(70);
  expect(stderr).toContain('odd');
});

test('Ctrl-C ends the wait, and not with the exit code of a success', async () => {
  const { env, asked } = await answering(() => new Promise(() => {}));
  const command = startTsgun(['reload', '--name', 'told'], { json: false, env });
  await asked;
  command.signal('SIGINT');
  expect(await command.exit).toEqual({ code: null, signal: 'SIGINT' });
});

test('a file that has the name of a command does not start anything', async () => {
  const cwd = tempApp({ status: `require('node:fs').writeFileSync('loaded', '')` });
  const command = startTsgun(['status', '--name', 'none'], { cwd, json: false });
  expect((await command.exit).code).toBe(5);
  expect(readdirSync(cwd)).toEqual(['status']);
});
