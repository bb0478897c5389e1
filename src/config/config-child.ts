/**
 * Runs a configuration file in a short-lived process, so that whatever it does there is not done to the master. The
 * process gets its program as a text: the folder that tsgun came from may be gone by now.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { deserialize } from 'node:v8';
import { TsgunError } from '../errors.ts';
import { childProgram } from './config-child-program.ts';
import { lineIn } from './config-error.ts';
import { type Evaluated, typescriptLoader } from './config-file.ts';
import { type Env, reasonOf } from './environment.ts';
import type { Origin } from './load.ts';

/** An answer is a few settings and an environment. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** What is kept of its standard error in case it dies, and how long that may take to arrive, in milliseconds. */
const LAST_WORDS_CHARS = 4096;
const LAST_WORDS_MS = 500;

/** Stands for a function of the file: functions stay in the process that made them. */
export const elsewhere = (): never => {
  throw new TsgunError('bug', 'a function of the configuration file is called, but was not imported');
};

/** What the child tells; see config-child-program.ts. */
type Answer =
  | { value: unknown; env: Env }
  | { error: { name: string; message: string; stack: string; code?: unknown; syscall?: unknown } }
  | { thrown: unknown }
  | { exit: unknown; stack: string }
  | { stuck: true };

/**
 * @param name  the file's name in messages
 * @param limitMs  then it is killed
 * @returns its values, with {@link elsewhere} in the place of functions, and the environment as the file leaves it
 * @throws TsgunError('config'), or what the file threw
 */
export async function evaluateInChild(path: string, name: string, origin: Origin, limitMs: number): Promise<Evaluated> {
  const loader = await typescriptLoader(path);
  const job = { url: pathToFileURL(path).href, path, loader, argv: process.argv, limitMs };
  const answer = await ask(() => start(job, origin), name, limitMs);
  if ('value' in answer) return { value: revive(answer.value), env: answer.env };
  if ('error' in answer) throw Object.assign(new Error(), answer.error);
  if ('thrown' in answer) throw revive(answer.thrown);
  if ('stuck' in answer) throw new TsgunError('config', `${name}: it waits for a promise that nothing can settle`);
  const line = lineIn(answer.stack, path);
  const place = line === undefined ? name : `${name}:${line}`;
  throw new TsgunError('config', `${place}: it calls process.exit(${answer.exit ?? ''})`);
}

function start(job: object, { cwd, env }: Origin): ChildProcess {
  // The debugger's port is the master's.
  const inherited = process.execArgv.filter((arg) => !arg.startsWith('--inspect'));
  const own = ['--max-old-space-size=512', '--input-type=commonjs', '-e', childProgram, JSON.stringify(job)];
  return spawn(process.execPath, [...inherited, ...own], {
    cwd,
    env,
    // A process group of its own: what the file has started ends with it, and Ctrl-C is the master's to handle.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
}

async function ask(begin: () => ChildProcess, name: string, limitMs: number): Promise<Answer> {
  const wrong = (problem: string, hint?: string) => new TsgunError('config', `${name}: ${problem}`, hint);
  let child: ChildProcess | undefined;
  const kill = () => child?.pid !== undefined && killGroup(child.pid);
  // A master that ends takes the child along.
  process.once('exit', kill);
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    const late = wrong(
      `it has not ended within ${limitMs / 1000} s`,
      'a loop, or a wait for something that is not there',
    );
    timer = setTimeout(() => reject(late), limitMs);
  });
  try {
    child = begin();
    await once(child, 'spawn');
    const exited = once(child, 'exit');
    const lastWords = tailOf(child.stderr!);
    const bytes = await Promise.race([readAll(child.stdio[3] as Readable), tooLate]);
    if (bytes === undefined) throw wrong('its values are too large');
    if (bytes.length > 0) kill();
    const [code, signal] = await Promise.race([exited, tooLate]);
    const answer = decode(bytes);
    if (answer !== undefined) return answer;
    const end = signal === null || bytes.length > 0 ? `ended with exit code ${code}` : `died of ${signal}`;
    throw wrong(`the process that ran it ${end}${await lastWords()}`);
  } catch (error) {
    throw error instanceof TsgunError ? error : wrong(`cannot start a process to run it: ${reasonOf(error)}`);
  } finally {
    clearTimeout(timer);
    kill();
    process.off('exit', kill);
    for (const stream of [child?.stderr, child?.stdio?.[3]]) stream?.destroy();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** All that comes, unless it is too much. */
async function readAll(stream: Readable): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) return undefined;
  }
  return Buffer.concat(chunks);
}

/** Reads on, so that the writer never waits; the line about an error, in the end. */
function tailOf(stderr: Readable): () => Promise<string> {
  let tail = '';
  stderr.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-LAST_WORDS_CHARS);
  });
  const closed = once(stderr, 'close').catch(() => {});
  return async () => {
    await Promise.race([closed, sleep(LAST_WORDS_MS)]);
    const line = tail.split('\n').find((each) => /\berror: |^\S*node\S*: /i.test(each));
    return line === undefined ? '' : `: ${line.trim().slice(0, 200)}`;
  };
}

function decode(bytes: Buffer): Answer | undefined {
  try {
    const answer: unknown = bytes.length === 0 ? undefined : deserialize(bytes);
    return typeof answer === 'object' && answer !== null ? (answer as Answer) : undefined;
  } catch {
    return undefined; // the file wrote to the descriptor itself
  }
}

/** Puts functions and symbols where the child has put maps that stand for them. */
function revive(value: unknown, seen = new Set<unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Map) return value.has('symbol') ? Symbol(value.get('symbol')) : elsewhere;
  if (seen.has(value)) return value;
  seen.add(value);
  const members = value as Record<string, unknown>;
  for (const key of Object.keys(members)) {
    const was = members[key];
    const is = revive(was, seen);
    if (is !== was) Object.defineProperty(members, key, { value: is, enumerable: true });
  }
  return value;
}
