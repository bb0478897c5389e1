/** Why a value is refused: `expected …, got …`. Whoever catches it adds where the value stood. */
export class Wrong {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** How the values of a setting are written and what they become. Durations are seconds, memory is bytes. */
export interface Kind<Value, Input = Value> {
  /** What stands for the value in help and manual; empty for a switch. */
  readonly metavar: string;
  /** What a configuration file may say, in TypeScript's words. */
  readonly type: string;
  readonly takes: 'nothing' | 'one' | 'many';
  /** All values, where there are but a few. */
  readonly words?: readonly string[];
  /** Reads words: all that were given, in order; of a kind that takes one, the last counts. */
  parse(words: readonly string[], cwd: string): Value | Wrong;
  /** Checks a value from a configuration file. */
  check(input: unknown, cwd: string): Value | Wrong;
  /** A value as a person would type it. */
  show(value: Value): string;
  /** Only a type. */
  readonly input?: Input;
}

/** What sets one kind of single values apart from another. */
interface Scalar<Value> {
  metavar: string;
  type: string;
  expected: string;
  takes?: 'nothing' | 'one';
  words?: readonly string[];
  /** `undefined` stands for "not what was expected". */
  parse(word: string, cwd: string): Value | Wrong | undefined;
  check(input: unknown, cwd: string): Value | Wrong | undefined;
  show?(value: Value): string;
}

/** A kind of single values. */
export function scalar<Value, Input = Value>(of: Scalar<Value>): Kind<Value, Input> {
  const wrong = (got: string) => new Wrong(`expected ${of.expected}, got ${got}`);
  return {
    metavar: of.metavar,
    type: of.type,
    takes: of.takes ?? 'one',
    ...(of.words === undefined ? {} : { words: of.words }),
    parse: (words, cwd) => of.parse(words.at(-1) ?? '', cwd) ?? wrong(JSON.stringify(words.at(-1) ?? '')),
    check: (input, cwd) => of.check(input, cwd) ?? wrong(describe(input)),
    show: of.show ?? String,
  };
}

/** Applies a reader of words to a file's strings; another type is not what was expected. */
export const ifString = <Value>(read: (word: string, cwd: string) => Value) => {
  return (input: unknown, cwd: string) => (typeof input === 'string' ? read(input, cwd) : undefined);
};

/** Several values of a kind: the option may be repeated; a file has one or an array. */
export function list<Value, Input>(of: Kind<Value, Input>): Kind<readonly Value[], Input | readonly Input[]> {
  const all = (values: (Value | Wrong)[]) => values.find((value) => value instanceof Wrong) ?? (values as Value[]);
  return {
    metavar: of.metavar,
    type: `${of.type} | (${of.type})[]`.replaceAll('(string)', 'string'),
    takes: 'many',
    parse: (words, cwd) => all(words.map((word) => of.parse([word], cwd))),
    check: (input, cwd) => all((Array.isArray(input) ? input : [input]).map((item) => of.check(item, cwd))),
    show: (values) => values.map(of.show).join(', '),
  };
}

export const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

export const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What was found, for a message: `"four" (string)`, `an array`, `an object with keys a, b`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object')
    return `${typeof value === 'string' ? JSON.stringify(value) : String(value)} (${typeof value})`;
  const keys = Object.keys(value);
  return keys.length === 0
    ? 'an empty object'
    : `an object with keys ${keys.slice(0, 5).join(', ')}${keys.length > 5 ? ', …' : ''}`;
}
