import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { LogOptions } from './log.ts';

/** Turns one of pino's lines into what a person reads; undefined: JSON stays JSON. */
export type Texter = (json: string) => string;

const STDERR = 2;

/** Which form the log has, and how it gets it. */
export function logTexter(format: LogOptions['format'], file: string, env: LogOptions['env']): Texter | undefined {
  if (format === 'json') return undefined;
  const toStderr = file === '-';
  if (toStderr && isJournal(env.JOURNAL_STREAM)) return journalText;
  return format === 'text' || (toStderr && isatty(STDERR)) ? plainText : undefined;
}

/** JOURNAL_STREAM is inherited by everything below a service; it is ours when it names our own standard error (systemd.exec(5)). */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(STDERR);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** Syslog's priorities, for the `<N>` that journald takes from the beginning of a line (sd-daemon(3)). */
const priorities: Record<string, number> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3, fatal: 2 };

/** Gunicorn's form: `[2026-11-23 08:54:40 +0000] [4242] [INFO] message`, and a stack below it. */
function plainText(json: string): string {
  const line = JSON.parse(json);
  const time = String(line.time).replace('T', ' ').replace(/\..*/, ' +0000');
  return `[${time}] [${line.master}] [${String(line.level).toUpperCase()}] ${withStack(line)}\n`;
}

function journalText(json: string): string {
  const line = JSON.parse(json);
  const priority = `<${priorities[line.level] ?? 6}>`;
  return `${priority}${withStack(line).replaceAll('\n', `\n${priority}`)}\n`;
}

function withStack(line: { msg: string; stack?: string }): string {
  return printable(line.stack === undefined ? line.msg : `${line.msg}\n${line.stack}`);
}

/** Control bytes from outside must not steer a terminal. */
export function printable(text: string): string {
  return text.replaceAll(CONTROL, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/g;
