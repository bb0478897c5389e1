/** What a person types. */
import { parseCommandLine } from '../config/arguments.ts';
import { loadConfig } from '../config/load.ts';
import { failures, TsgunError } from '../errors.ts';
import { run } from '../master/run.ts';

async function main(argv: readonly string[]): Promise<void> {
  const line = await parseCommandLine(argv);
  if (line.kind === 'help' || line.kind === 'version') {
    process.stdout.write(line.text);
    return;
  }
  await run(await loadConfig({ argv, env: process.env, cwd: process.cwd() }));
}

function report(error: unknown): never {
  if (error instanceof TsgunError) {
    process.stderr.write(`tsgun: ${error.line}\n`);
    process.exit(error.exitCode);
  }
  const stack = error instanceof Error ? error.stack : String(error);
  process.stderr.write(`tsgun: this is a bug in tsgun, please report it with what follows\n${stack}\n`);
  process.exit(failures.bug.exitCode);
}

process.on('uncaughtException', report);
main(process.argv.slice(2)).catch(report);
