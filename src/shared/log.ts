/**
 * The master's log: pino on a SonicBoom of our own, asynchronous and bounded. A reader of stderr that stops reading must
 * stop nobody, so lines that do not fit are dropped and counted; pino's default destination would block the master.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import type { Logger } from 'pino';
import type SonicBoom from 'sonic-boom';
import { logTexter } from './log-text.ts';

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
export type Fields = Record<string, unknown>;

export interface LogOptions {
  level: Level;
  /** auto: text on a terminal, text with priorities for the journal, else JSON. */
  format: 'auto' | 'text' | 'json';
  /** A file's path, or `-` for standard error. */
  file: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Hears every line, whatever its level. */
  tap?: (level: Level, message: string, fields: Fields) => void;
}

/** How much may wait for a slow reader, in bytes. */
const MAX_WAITING = 4 * 1024 * 1024;

/** How long the last lines may take at the end, milliseconds. */
const FLUSH_MS = 500;

const STDERR = 2;

export class Log {
  #options: LogOptions;
  #pino: Logger | undefined;
  #file: SonicBoom | undefined;
  #stderr: SonicBoom | undefined;
  /** What was logged before pino was loaded: the first worker is forked before that. */
  #early: (() => void)[] = [];
  #opening: Promise<void> | undefined;
  #dropped = 0;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  line(level: Level, message: string, fields: Fields = {}): void {
    this.#options.tap?.(level, message, fields);
    if (this.#pino) this.#pino[level](fields, message);
    else this.#early.push(() => this.#pino?.[level](fields, message));
  }

  /** A line that a worker wrote to its standard error, as it is. */
  forward(text: string): void {
    if (this.#stderr) this.#stderr.write(`${text}\n`);
    else this.#early.push(() => this.forward(text));
  }

  /** Loads pino and writes what has waited for it; the second call waits for the first. */
  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    const [{ default: pino }, { default: SonicBoom }] = await Promise.all([import('pino'), import('sonic-boom')]);
    const open = (destination: { fd: number } | { dest: string }): SonicBoom => {
      // With a minLength of 0, flush() would wait for nothing, and the last lines were lost.
      const sink = new SonicBoom({ ...destination, sync: false, append: true, maxLength: MAX_WAITING, minLength: 1 });
      // A reader that went away: nobody is left to tell.
      sink.on('error', () => {});
      sink.on('drop', () => this.#dropped++);
      sink.on('drain', () => this.#reportDropped());
      return sink;
    };
    const { file, level, format, env } = this.#options;
    this.#stderr ??= open({ fd: nonBlockingStderr() });
    this.#file = file === '-' ? this.#stderr : open({ dest: file });
    const texter = logTexter(format, file, env);
    const sink = this.#file;
    this.#pino = pino(
      {
        level,
        base: { master: process.pid },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write: (json: string) => void sink.write(texter ? texter(json) : json) },
    );
    const early = this.#early;
    this.#early = [];
    for (const write of early) write();
  }

  /** Opens the file anew, after logrotate has moved it. */
  reopen(): void {
    if (this.#file !== this.#stderr) this.#file?.reopen();
  }

  /** From now on the log is as a reload wants it. A file that cannot be opened leaves it as it is. */
  async change(wanted: Pick<LogOptions, 'level' | 'format' | 'file'>): Promise<void> {
    const { level, format, file } = this.#options;
    if (level === wanted.level && format === wanted.format && file === wanted.file) return;
    try {
      checkLogFile(wanted.file);
    } catch (error) {
      return this.line('error', `the log stays where it is: ${(error as Error).message}`, { event: 'warning' });
    }
    await this.open();
    const before = this.#file;
    this.#options = { ...this.#options, ...wanted };
    this.#opening = this.#open();
    await this.#opening;
    if (before && before !== this.#stderr) await flushed(before).then(() => before.destroy());
  }

  /** Resolves when all is written, or nobody has read it in time. */
  async close(): Promise<void> {
    const sinks = new Set([this.#file, this.#stderr]);
    await Promise.all([...sinks].map((sink) => sink && flushed(sink)));
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.line('warn', `${dropped} log lines were dropped, as nobody read them`, { event: 'dropped', dropped });
  }
}

/**
 * Standard error with a file description of its own, which does not block: a write that waits for a stopped reader would
 * hold a thread of the pool, and the process could not exit. A socket (journald) cannot be opened again; there it stays as it is.
 */
function nonBlockingStderr(): number {
  try {
    // A file never blocks, and a description of its own would write from the file's beginning, over what others wrote.
    if (fstatSync(STDERR).isFile()) return STDERR;
    return openSync(`/proc/self/fd/${STDERR}`, NON_BLOCKING_APPEND);
  } catch {
    return STDERR;
  }
}

/** O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY of Linux; where /proc is missing nothing is opened. */
const NON_BLOCKING_APPEND = 0o1 | 0o2000 | 0o4000 | 0o400;

function flushed(sink: SonicBoom): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FLUSH_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    try {
      sink.flush(done);
    } catch {
      done();
    }
  });
}

/** @throws Error when the file cannot be appended to: before anything starts, not at the first line */
export function checkLogFile(file: string): void {
  if (file !== '-') closeSync(openSync(file, 'a'));
}
