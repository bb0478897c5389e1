/** Starts the real program as a real process and watches what it says. Everything started is cleaned up by cleanup.ts. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { register } from './cleanup.ts';
import { MARKER, Tsgun } from './running.ts';
import { tempDir } from './temp.ts';

export type { Tsgun } from './running.ts';

/** The Node binary under test. */
export const testNode = process.env.TSGUN_TEST_NODE ?? process.execPath;

/** The executable, as `npm install` would link it. */
export const program = join(import.meta.dirname, '../../bin/tsgun.js');

export interface StartOptions {
  cwd?: string;
  /** Added to the environment of the test; `undefined` takes a variable away. */
  env?: Record<string, string | undefined>;
  /** The Node binary; default: the one under test. */
  node?: string;
  /** Options of Node itself, before the program. */
  nodeArgs?: string[];
  /** `--log-format json` in front of the arguments; default true. Without it there are no records, only text. */
  json?: boolean;
  /** Where standard error goes: a pipe that is read (default), a pipe that nobody reads, or a descriptor. */
  stderr?: 'read' | 'unread' | number;
  /** Another program than tsgun. */
  program?: string;
  /** A process group of its own; default true. */
  group?: boolean;
}

const running = new Set<Tsgun>();
process.once('exit', () => {
  for (const one of running) one.killAll();
});

/** Starts `tsgun ARGS`; does not wait for anything. */
export function startTsgun(args: string[], options: StartOptions = {}): Tsgun {
  const { node = testNode, nodeArgs = [], json = true, stderr = 'read' } = options;
  const marker = randomUUID();
  const runtime = runtimeEnvironment();
  const front = json ? ['--log-format', 'json'] : [];
  const child = spawn(node, [...nodeArgs, options.program ?? program, ...front, ...args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: childEnvironment({ ...runtime, ...options.env, [MARKER]: marker }),
    detached: options.group ?? true,
    stdio: ['ignore', 'pipe', typeof stderr === 'number' ? stderr : 'pipe'],
  });
  const started = new Tsgun(child, marker, stderr === 'read');
  running.add(started);
  register({
    clean: (failed) => started.clean(failed).finally(() => running.delete(started)),
  });
  return started;
}

/** Where the control socket goes: a folder that is no other's, instead of the machine's own. */
export function runtimeEnvironment(): { XDG_RUNTIME_DIR: string; RUNTIME_DIRECTORY: undefined } {
  return { XDG_RUNTIME_DIR: tempDir(), RUNTIME_DIRECTORY: undefined };
}

/** What vitest and npm add to the environment has no business in the program under test. */
function childEnvironment(added: Record<string, string | undefined>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(VITEST|npm_|NODE_ENV$|NODE_OPTIONS$|NODE_V8_COVERAGE$|PORT$|WEB_CONCURRENCY$|TSGUN_|TEST$|CI$|DEV$|PROD$|MODE$|SSR$|BASE_URL$)/.test(
        name,
      ),
  );
  const all = Object.entries({ ...Object.fromEntries(inherited), ...added });
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}
