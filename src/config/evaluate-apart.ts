import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { TsgunError } from '../errors.ts';
import { configError } from './config-error.ts';
import type { Env } from './environment.ts';
import { describe } from './kind.ts';

/** How long a configuration file may take, milliseconds. */
const LIMIT_MS = 10_000;

/** Where the answer comes out: standard output is the file's own. */
const ANSWER_FD = 3;

/**
 * Runs in the child, from memory: the folder that tsgun came from may be gone. A function in the object is told by its name
 * alone, and what is thrown as what `configError` needs of it.
 */
const PROGRAM = `
const { writeSync } = require('node:fs');
const { createRequire } = require('node:module');
const { pathToFileURL } = require('node:url');
const path = process.argv[1];
const answer = (what) => { writeSync(${ANSWER_FD}, JSON.stringify(what)); process.reallyExit(0); };
const isModule = (value) => typeof value === 'object' && value !== null && '__esModule' in value && 'default' in value;
(async () => {
  if (/\\.[cm]?ts$/.test(path) && !process.features.typescript) {
    await import(pathToFileURL(createRequire(path).resolve('tsx')).href);
  }
  let value = (await import(pathToFileURL(path).href)).default;
  if (isModule(value)) value = value.default;
  if (typeof value === 'function') value = await value();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return answer({ odd: typeof value });
  const functions = Object.keys(value).filter((key) => typeof value[key] === 'function');
  answer({ value: Object.fromEntries(Object.entries(value).filter(([key]) => !functions.includes(key))), functions });
})().catch((error) => answer(error instanceof Error
  ? { error: { name: error.name, message: error.message, stack: error.stack, code: error.code } }
  : { thrown: String(error) }));
`;

/** What a configuration file says: its plain values, and which settings are functions. */
export interface Evaluated {
  value: Record<string, unknown>;
  functions: string[];
}

type Answer = Evaluated | { odd: string } | { error: NodeJS.ErrnoException } | { thrown: string };

/**
 * Runs a configuration file in a process of its own, so that nothing of it stays in the master and nothing in it can harm
 * the master.
 * @param path  an absolute path
 * @param name  the file in messages
 * @throws TsgunError('config') when it throws, ends the process, takes longer than 10 s or has no object
 */
export async function evaluateApart(path: string, name: string, cwd: string, env: Env): Promise<Evaluated> {
  const answer = await answerOf(path, name, cwd, env);
  if ('value' in answer) return answer;
  if ('odd' in answer)
    throw new TsgunError('config', `${name}: expected an object of settings, got ${describeType(answer.odd)}`);
  if ('thrown' in answer) throw configError(answer.thrown, path, name);
  throw configError(Object.assign(new Error(answer.error.message), answer.error), path, name);
}

const describeType = (type: string): string => (type === 'undefined' ? describe(undefined) : `a value (${type})`);

function answerOf(path: string, name: string, cwd: string, env: Env): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => reject(new TsgunError('config', `${name}: ${why}`));
    if (!existsSync(process.execPath)) return refuse(`it cannot be read: ${process.execPath} is gone`);
    const child = spawn(process.execPath, ['-e', PROGRAM, path], {
      cwd,
      env: { ...env },
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      refuse(`it has not ended within ${LIMIT_MS / 1000} s`);
    }, LIMIT_MS);
    let text = '';
    child.stdio[ANSWER_FD]?.on('data', (chunk) => {
      text += chunk;
    });
    child.on('error', (error) => refuse(`it cannot be read: ${error.message}`));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(text) as Answer);
      } catch {
        refuse(`it ended its process with ${signal ?? `exit code ${code}`}, and gave no settings`);
      }
    });
  });
}
