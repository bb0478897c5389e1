/** The entry of the command. It does only what has to come first, and then reads the rest. */
import { forkEarly } from '../master/early-worker.ts';

const argv = process.argv.slice(2);
forkEarly(argv, process.env);
void import('./serve.ts').then(({ main, report }) => {
  process.on('uncaughtException', report);
  main(argv).catch(report);
});
