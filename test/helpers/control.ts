/** A running tsgun seen through its control socket. */
import { expect } from 'vitest';
import type { Status } from '../../src/shared/status.ts';
import { get } from './http.ts';
import { tempApp, tempDir } from './temp.ts';
import { type StartOptions, startTsgun, type Tsgun } from './tsgun.ts';

/** Starts an application; its control socket is in a folder of its own, unless the environment says which. */
export function startControlled(app: string, args: string[] = [], options: StartOptions = {}): Tsgun {
  const env = { XDG_RUNTIME_DIR: tempDir(), ...options.env };
  const all = ['app.js', '-b', '127.0.0.1:0', '--drain-linger', '0', '--log-level', 'debug', ...args];
  return startTsgun(all, { cwd: tempApp(app), ...options, env });
}

/** Waits for the control socket. @returns its path */
export async function controlSocket(tsgun: Tsgun): Promise<string> {
  const { path } = await tsgun.waitFor((record) => record.event === 'control' && record.cause === undefined);
  return String(path);
}

/** @returns the status and the body of the answer */
export async function askControl(path: string, route: string, method = 'GET'): Promise<[number, unknown]> {
  const { status, body } = await get(`unix:${path}`, route, { method });
  return [status, body.toString() === '' ? undefined : JSON.parse(body.toString())];
}

export async function statusAt(path: string): Promise<Status> {
  const [code, status] = await askControl(path, '/status');
  expect(code).toBe(200);
  return status as Status;
}

/** Runs a command to its end. */
export async function runCommand(args: string[], env: Record<string, string | undefined>) {
  const command = startTsgun(args, { json: false, env });
  const { code, signal } = await command.exit;
  return { code, signal, stdout: command.stdout(), stderr: command.stderr() };
}
