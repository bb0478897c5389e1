/** The commands that ask something of a running instance, by its control socket. */
import { type CommandOptions, readCommand } from '../config/command.ts';
import type { CommandName } from '../config/commands.ts';
import type { Env } from '../config/environment.ts';
import { type FailureCode, failures, TsgunError } from '../errors.ts';
import { printable } from '../shared/log-text.ts';
import type { ReloadResult } from '../shared/status.ts';
import { ask } from './ask.ts';
import { findInstance, type Reached, type Wanted } from './find-instance.ts';
import { statusText } from './status-text.ts';

/**
 * Does what `tsgun COMMAND` says; sets the exit code.
 * @throws TsgunError
 */
export async function control(name: CommandName, args: readonly string[], env: Env): Promise<void> {
  // A reader that has seen enough is no failure.
  process.stdout.on('error', () => {});
  const options = readCommand(name, args);
  if ('help' in options) return print(options.help as string);
  const instance = await findInstance(wanted(options), env);
  await commands[name](instance, options);
}

const commands = { status, reload } satisfies Record<CommandName, unknown>;

function status({ status }: Reached, { json }: CommandOptions): void {
  print(json ? `${JSON.stringify(status, null, 2)}\n` : statusText(status, new Date()));
}

/** The failure that an outcome is, and so the exit code. */
const outcomes = {
  done: undefined,
  failed: 'rollout',
  mixed: 'mixed',
} as const satisfies Record<ReloadResult['outcome'], FailureCode | undefined>;

async function reload({ socket, status: { name, pid } }: Reached): Promise<void> {
  const { status, body } = await ask(socket, 'POST', '/reload').catch((error: Error) => {
    throw new TsgunError('rollout', `${name} (pid ${pid}) ended before the rollout had: ${error.message}`);
  });
  const { outcome, message, durationMs, stack, log = [] } = body as ReloadResult;
  if (!Object.hasOwn(outcomes, outcome)) throw new Error(`POST /reload: status ${status}, ${JSON.stringify(body)}`);
  const took = `${(durationMs / 1000).toFixed(1)} s`;
  print(`${printable(`reload of ${name} (pid ${pid}): ${outcome} after ${took}: ${message}`.replaceAll('\n', ' '))}\n`);
  if (stack !== undefined) process.stderr.write(`${printable(stack.trimEnd())}\n`);
  if (log.length > 0) {
    process.stderr.write(`the last lines of the worker's standard error:\n${printable(log.join('\n'))}\n`);
  }
  const failure = outcomes[outcome];
  if (failure !== undefined) process.exitCode = failures[failure].exitCode;
}

/** @throws TsgunError('usage') */
function wanted(options: CommandOptions): Wanted {
  const { name, pid, 'control-socket': controlSocket } = options as Readonly<Record<string, string | undefined>>;
  if (pid !== undefined && !/^[1-9]\d*$/.test(pid)) {
    throw new TsgunError('usage', `--pid: expected a process id, got ${JSON.stringify(pid)}`);
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(pid === undefined ? {} : { pid: Number(pid) }),
    ...(controlSocket === undefined ? {} : { controlSocket }),
  };
}

function print(text: string): void {
  process.stdout.write(text);
}
