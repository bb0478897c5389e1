/**
 * Every way in which tsgun ends or refuses, in one table: the exit code and, for people who grep, a stable name.
 * Exit codes are Gunicorn's where Gunicorn has the thing (3: a worker failed to boot, 4: the application was not found).
 */
export const failures = {
  config: { exitCode: 1, about: 'a setting or the configuration file is wrong' },
  bind: { exitCode: 1, about: 'an address cannot be bound' },
  pidfile: { exitCode: 1, about: 'the pid file belongs to a running instance or cannot be written' },
  hook: { exitCode: 1, about: 'a server hook threw where that ends the start' },
  rollout: { exitCode: 1, about: 'a reload has failed, and the old generation serves' },
  usage: { exitCode: 2, about: 'the command line is wrong' },
  boot: { exitCode: 3, about: 'the application failed to boot' },
  notFound: { exitCode: 4, about: 'no such application, no such export, or an export that is no application' },
  noInstance: { exitCode: 5, about: 'no running instance, or several and none is named' },
  mixed: { exitCode: 6, about: 'after a reload, a part of the workers runs the new generation' },
  bug: { exitCode: 70, about: 'a bug in tsgun' },
} as const satisfies Record<string, { exitCode: number; about: string }>;

export type FailureCode = keyof typeof failures;

/**
 * A failure that a person can act upon. It is shown as one line: `tsgun: <message>; hint: <hint>`, without a stack.
 * @param code  row of {@link failures}: gives the exit code
 * @param message  what, where, expected, got
 * @param hint  what to do about it
 */
export class TsgunError extends Error {
  override readonly name = 'TsgunError';
  readonly code: FailureCode;
  readonly hint: string | undefined;

  constructor(code: FailureCode, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }

  get exitCode(): number {
    return failures[this.code].exitCode;
  }

  /** The one line a person reads. */
  get line(): string {
    return this.hint === undefined ? this.message : `${this.message}; hint: ${this.hint}`;
  }
}
