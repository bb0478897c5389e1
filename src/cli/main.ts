/** The entry of the command. It does only what has to come first, and then reads the rest. */
import { forkEarly } from '../master/early-worker.ts';

const argv = process.argv.slice(2);

// Until the master takes them over, nothing has begun that would have to be ended in order.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) process.on(signal, () => process.exit(0));
for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {});

forkEarly(argv, process.env);
void import('./serve.ts').then(({ main, report }) => {
  process.on('uncaughtException', report);
  main(argv).catch(report);
});
