import { inspect } from 'node:util';
import type { BootFailure } from '../shared/protocol.ts';

/** The application cannot be served, and why: what {@link BootFailure} carries to the master. */
export class LoadFailure extends Error {
  override readonly name = 'LoadFailure';
  readonly failure: BootFailure;

  constructor(failure: BootFailure, options?: ErrorOptions) {
    super(failure.message, options);
    this.failure = failure;
  }
}

/** A thrown thing as one line and as the stack that its author wants to see. */
export interface Reportable {
  /** One line, such as `TypeError: x is not a function`. */
  summary: string;
  /** Stack, causes and properties, without the frames of Node's loader and of tsgun below the application's own. */
  stack: string;
}

/**
 * Turns whatever was thrown (an Error, a string, null) into a line and a stack.
 * @param error  the thrown value
 */
export function reportableError(error: unknown): Reportable {
  if (!(error instanceof Error)) {
    const shown = typeof error === 'string' ? error : inspect(error, { breakLength: Number.POSITIVE_INFINITY });
    return { summary: `${firstLine(shown)} (thrown as ${error === null ? 'null' : typeof error})`, stack: shown };
  }
  const kind = error.name || 'Error';
  return {
    summary: error.message ? `${kind}: ${firstLine(error.message)}` : kind,
    stack: withoutForeignFrames(inspect(error)),
  };
}

/**
 * Looks out for errors that nobody catches while the application boots, so that an error in the first tick or an
 * unhandled rejection is told as what it is. An application that handles 'uncaughtException' itself keeps doing so.
 * After a failure the listener stays: a rejection of the entry module surfaces twice, and the second must not kill the
 * worker while it reports the first.
 */
export function watchForFailure(): { failed: Promise<never>; release(): void } {
  const ours = new Set(process.listeners('uncaughtException'));
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {}); // It is raced; when the race is over nobody listens.
  const listener = (error: unknown): void => {
    if (process.listeners('uncaughtException').every((each) => ours.has(each))) fail(error);
  };
  ours.add(listener);
  process.on('uncaughtException', listener);
  return { failed, release: () => process.removeListener('uncaughtException', listener) };
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

const frame = /^\s+at /;
const builtin = /[ (]node:/;

/** Drops the frames at the bottom of each stack in the text that belong to Node or to tsgun. */
function withoutForeignFrames(text: string): string {
  const own = ownPlace();
  const kept: string[] = [];
  let bottom = true;
  let brace = ''; // inspect() opens an error's properties at the end of its last frame
  for (const line of text.split('\n').reverse()) {
    const isFrame = frame.test(line);
    if (isFrame && bottom && (builtin.test(line) || line.includes(own))) {
      brace ||= line.endsWith(' {') ? ' {' : '';
      continue;
    }
    bottom = !isFrame;
    kept.push(line + brace);
    brace = '';
  }
  return kept.reverse().join('\n');
}

/** What the paths of tsgun's own files begin with: they are several, bundled below dist/ or as they are below src/. */
function ownPlace(): string {
  const file = /(\/[^():]+):\d+:\d+\)?$/.exec(new Error().stack?.split('\n')[1] ?? '')?.[1] ?? 'tsgun';
  return /^.*\/(dist|src)\//.exec(file)?.[0] ?? file;
}
