import type { Kind } from './kind.ts';

/** The headings of help and manual, in their order. */
export const sections = {
  application: 'Application',
  socket: 'Server socket',
  workers: 'Worker processes',
  rollout: 'Reload',
  mechanics: 'Server mechanics',
  logging: 'Logging',
  hooks: 'Server hooks',
} as const;

/** One setting: all that the command line, the types, the help and the manual need to know about it. */
export interface Setting<Value, Input, Default extends Value | undefined> {
  section: keyof typeof sections;
  /** `-w, --workers`: a short one at most, then one or more long ones. Without flags it stands in a configuration file only. */
  flags?: string;
  /** It is the word on the command line that belongs to no option. */
  positional?: true;
  /** `false`: it cannot stand in a configuration file. */
  file?: false;
  /** The environment variable that gives a value when nothing else does, and how its text becomes the value's. */
  env?: string;
  fromEnv?: (text: string) => string;
  kind: Kind<Value, Input>;
  default: Default;
  /** What the manual says instead of the default. */
  defaultText?: string;
  /** There is no running without it: a missing value is refused. */
  required?: true;
  /** Whether a reload can change it. */
  reload: boolean;
  /** Gunicorn's name for it where that differs; accepted in a configuration file. */
  gunicorn?: string;
  /** A sentence or two for `--help`. */
  help: string;
  /** What only the manual says. */
  more?: string;
  /** One of the few that most users need: shown in the README. */
  listed?: true;
  /** For a hook: whether its failure ends the start, or is only logged. */
  onThrow?: 'abort' | 'log';
}

export interface Facts {
  readonly required?: true;
  readonly file?: false;
}

/** Checks that the default is a value of the kind, and keeps what the types below ask for. */
export const setting = <Value, Input, Default extends Value | undefined, const F extends Facts>(
  row: Setting<Value, Input, Default> & F,
): Setting<Value, Input, Default> & Pick<F, keyof F & keyof Facts> => row;

// biome-ignore lint/suspicious/noExplicitAny: a row of whatever type
export type AnySetting = Setting<any, any, any>;
