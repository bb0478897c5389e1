/** The entry of the command. It does only what has to come first, and then reads the rest. */
import { forkEarly } from '../master/early-worker.ts';

/**
 * How long a worker that was started early has the processor, milliseconds: a process begins on the core of its parent,
 * and a parent that works on drives it away. A worker's boot takes far longer than this and the rest of tsgun together.
 */
const HEAD_START_MS = 10;

const argv = process.argv.slice(2);

// Until the master takes them over, nothing has begun that would have to be ended in order.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) process.on(signal, () => process.exit(0));
for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {});

const rest = forkEarly(argv, process.env) ? new Promise((resolve) => setTimeout(resolve, HEAD_START_MS)) : undefined;
void Promise.resolve(rest).then(async () => {
  const { main, report } = await import('./serve.ts');
  process.on('uncaughtException', report);
  main(argv).catch(report);
});
