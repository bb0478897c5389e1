import { parseCommandLine } from '../config/arguments.ts';
import { loadConfig } from '../config/load.ts';
import { failures, TsgunError } from '../errors.ts';
import { Predecessor } from '../master/predecessor.ts';
import { run } from '../master/run.ts';

const endings = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR2'];

/** Does what the command line says. */
export async function main(argv: readonly string[]): Promise<void> {
  if (process.platform === 'win32') {
    throw new TsgunError('usage', 'tsgun does not run on Windows', 'use WSL 2, or a Linux container');
  }
  const line = await parseCommandLine(argv);
  if (line.kind === 'help' || line.kind === 'version') {
    // A reader that has seen enough is no failure.
    process.stdout.on('error', () => process.exit(0));
    process.stdout.write(line.text);
    return;
  }
  if (line.kind === 'command') {
    // Nothing has to be ended in order here: a signal ends it, as it does every other client.
    for (const signal of endings) process.removeAllListeners(signal);
    const { control } = await import('./ctl.ts');
    return control(line.name, line.args, process.env);
  }
  const predecessor = Predecessor.of(process.env);
  try {
    await run(await loadConfig({ argv, env: process.env, cwd: process.cwd() }), predecessor);
  } catch (error) {
    predecessor?.failed(error instanceof TsgunError ? error.line : String(error));
    throw error;
  }
}

/** Tells a failure in one line, a defect of ours with its stack, and exits. */
export function report(error: unknown): never {
  if (error instanceof TsgunError) {
    process.stderr.write(`tsgun: ${error.line}\n`);
    process.exit(error.exitCode);
  }
  const stack = error instanceof Error ? error.stack : String(error);
  process.stderr.write(`tsgun: this is a bug in tsgun, please report it with what follows\n${stack}\n`);
  process.exit(failures.bug.exitCode);
}
