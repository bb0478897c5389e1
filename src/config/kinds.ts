import { resolve } from 'node:path';
import { ADDRESS_FORMS, type Address, parseAddress, resolveAddress, type TcpAddress } from '../shared/address.ts';
import type { AppSpec } from '../shared/protocol.ts';
import { parseAppSpec } from './app-spec.ts';
import { cpuCount } from './cpus.ts';
import { describe, ifString, isPlainObject, isWhole, type Kind, scalar, Wrong } from './kind.ts';

/** A text that is not empty. */
export function text(metavar: string): Kind<string> {
  const read = (word: string) => (word === '' || word.includes('\0') ? undefined : word);
  return scalar({ metavar, type: 'string', expected: 'a text that is not empty', parse: read, check: ifString(read) });
}

/** A path, absolute in the end. `-` is left alone where it means a standard stream, `off` where it means none. */
export function path(metavar: string, options: { dash?: string; off?: true } = {}): Kind<string> {
  const read = (word: string, cwd: string) => {
    if (word === '' || word.includes('\0')) return undefined;
    const isWord = (word === '-' && options.dash !== undefined) || (word === 'off' && options.off);
    return isWord ? word : resolve(cwd, word);
  };
  const word = options.dash === undefined ? (options.off ? ', or "off"' : '') : `, or "-" for ${options.dash}`;
  const expected = `a path${word}`;
  return scalar({ metavar, type: 'string', expected, parse: read, check: ifString(read) });
}

/** What stands in a request line: a path from the root on, with a query perhaps. */
export function requestPath(metavar: string): Kind<string> {
  const read = (word: string) => (/^\/[!-~]*$/.test(word) ? word : undefined);
  return scalar({
    metavar,
    type: 'string',
    expected: 'a path that begins with "/", without blanks',
    parse: read,
    check: ifString(read),
  });
}

/** A whole number from `min` to `max`. */
export function whole(metavar: string, min: number, max: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  const within = (value: unknown) => (isWhole(value) && value >= min && value <= max ? value : undefined);
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return scalar({
    metavar,
    type: 'number',
    expected: `a whole number ${range}`,
    parse: (word) => (/^-?\d+$/.test(word) ? within(Number(word)) : undefined),
    check: within,
  });
}

/** How many workers: a number, or `auto` for the CPUs that the process may use. */
export function workers(): Kind<number, number | 'auto'> {
  const number = whole('', 1);
  const read = (input: unknown) => {
    if (input === 'auto') return cpuCount();
    const value = typeof input === 'string' ? number.parse([input], '') : number.check(input, '');
    return value instanceof Wrong ? undefined : value;
  };
  return scalar({
    metavar: 'number',
    type: "number | 'auto'",
    expected: 'a whole number of at least 1 or "auto"',
    parse: read,
    check: (input) => (typeof input === 'string' && input !== 'auto' ? undefined : read(input)),
  });
}

/** How many workers more than the goal: a number, a percentage of it, or `all` of it. */
export type Share = number | { percent: number };

/** A share of the workers: `2`, `25%`, `all`. */
export function share(): Kind<Share, number | string> {
  const read = (word: string): Share | undefined => {
    if (word === 'all') return { percent: 100 };
    const [, number, percent] = /^([1-9]\d{0,3})(%)?$/.exec(word) ?? [];
    if (number === undefined) return undefined;
    return percent ? { percent: Number(number) } : Number(number);
  };
  return scalar({
    metavar: 'number',
    type: 'number | string',
    expected: 'a whole number of at least 1, a percentage such as 25%, or "all"',
    parse: read,
    check: (input) => (isWhole(input) && input >= 1 ? input : ifString(read)(input, '')),
    show: (value) => (typeof value === 'number' ? String(value) : `${value.percent}%`),
  });
}

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };

/** A duration in seconds; with a unit: `500ms`, `30s`, `5m`, `2h`, `1d`. At most what a timer can wait for (24 days). */
export function seconds(options: { min?: number } = {}): Kind<number, number | string> {
  const min = options.min ?? 0;
  const within = (value: number) => (value >= min && value <= 2_147_483 ? value : undefined);
  const read = (word: string) => {
    const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(word) ?? [];
    return number === undefined ? undefined : within(Number(number) * SECONDS[unit as keyof typeof SECONDS]);
  };
  return scalar({
    metavar: 'seconds',
    type: 'number | string',
    expected: `seconds${min > 0 ? ` (at least ${min})` : ''}, such as 30, 500ms or 5m`,
    parse: read,
    check: (input) => (typeof input === 'number' ? within(input) : ifString(read)(input, '')),
    show: (value) => `${value} s`,
  });
}

const BYTES = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** An amount of memory in bytes; with a unit: `512M`, `1.5G` (powers of 1024; `MB` and `MiB` are the same). */
export function bytes(): Kind<number, number | string> {
  const read = (word: string) => {
    const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(?:([KMGT])(?:i?B)?|B)?$/i.exec(word) ?? [];
    if (number === undefined) return undefined;
    return Math.round(Number(number) * BYTES[unit.toUpperCase() as keyof typeof BYTES]);
  };
  return scalar({
    metavar: 'bytes',
    type: 'number | string',
    expected: 'an amount of memory, such as 512M or 1.5G',
    parse: read,
    check: (input) => (isWhole(input) && input >= 0 ? input : ifString(read)(input, '')),
  });
}

/** On or off: `--x` and `--no-x`. */
export function flag(): Kind<boolean> {
  return scalar({
    metavar: '',
    type: 'boolean',
    takes: 'nothing',
    expected: 'true or false',
    parse: (word) => (word === 'true' ? true : word === 'false' ? false : undefined),
    check: (input) => (typeof input === 'boolean' ? input : undefined),
  });
}

/** One of a few words, in any case; `aliases` are further spellings. */
export function choice<const Word extends string, const Alias extends string = never>(
  metavar: string,
  words: readonly Word[],
  aliases: Record<Alias, Word> = {} as Record<Alias, Word>,
): Kind<Word, Word | Alias> {
  const spellings = new Map<string, Word>([
    ...Object.entries<Word>(aliases),
    ...words.map((word) => [word, word] as const),
  ]);
  const read = (word: string) => spellings.get(word.toLowerCase());
  return scalar<Word, Word | Alias>({
    metavar,
    words,
    type: [...words, ...Object.keys(aliases)].map((word) => `'${word}'`).join(' | '),
    expected: `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`,
    parse: read,
    check: ifString(read),
  });
}

/** Permission bits, octal as chmod(1) has them: `0660`; in a file also the number 0o660. */
export function mode(): Kind<number, number | string> {
  const read = (word: string) =>
    /^(0o)?[0-7]{1,4}$/.test(word) ? within(Number.parseInt(word.replace('0o', ''), 8)) : undefined;
  const within = (value: number) => (value <= 0o777 ? value : undefined);
  return scalar({
    metavar: 'octal',
    type: 'number | string',
    expected: 'an octal mode of at most 0777, such as 0660 (in a file "0660" or 0o660)',
    parse: read,
    check: (input) => (isWhole(input) && input >= 0 ? within(input) : ifString(read)(input, '')),
    show: (value) => `0${value.toString(8)}`,
  });
}

/** An address to listen at. */
export function address(): Kind<Address, string> {
  const read = (word: string, cwd: string) => {
    const parsed = parseAddress(word);
    const resolved = typeof parsed === 'string' ? parsed : resolveAddress(parsed, cwd);
    return typeof resolved === 'string' ? new Wrong(resolved) : resolved;
  };
  return scalar({ metavar: 'address', type: 'string', expected: ADDRESS_FORMS, parse: read, check: ifString(read) });
}

/** An address with a port of its own, for what the master itself answers. */
export function tcpAddress(): Kind<TcpAddress, string> {
  const read = (word: string): TcpAddress | Wrong | undefined => {
    const parsed = parseAddress(word);
    if (typeof parsed === 'string') return new Wrong(parsed);
    return parsed.kind === 'tcp' && /(^|:)\d+$/.test(word) ? parsed : undefined;
  };
  const expected = 'HOST:PORT, PORT or [IPV6]:PORT';
  return scalar({ metavar: 'address', type: 'string', expected, parse: read, check: ifString(read) });
}

/** The application: a file, and what to take from it. */
export function application(): Kind<AppSpec, string> {
  const read = (word: string, cwd: string) => {
    const spec = parseAppSpec(word, cwd);
    return typeof spec === 'string' ? new Wrong(spec) : spec;
  };
  return scalar({ metavar: 'app', type: 'string', expected: 'a file', parse: read, check: ifString(read) });
}

type Variables = Readonly<Record<string, string>>;

/** Environment variables: `NAME=value`, repeated; a file has an object or an array of such texts. */
export function variables(): Kind<Variables, Readonly<Record<string, string | number | boolean>> | readonly string[]> {
  const pairs = (words: readonly unknown[]): Variables | Wrong => {
    const entries = words.map((word) => (typeof word === 'string' ? /^([^=\0]+)=([^\0]*)$/.exec(word) : null));
    const bad = entries.indexOf(null);
    if (bad !== -1) return new Wrong(`expected NAME=value, got ${describe(words[bad])}`);
    return Object.fromEntries(entries.map((match) => [match![1], match![2]]));
  };
  const members = (input: Record<string, unknown>): Variables | Wrong => {
    const words = Object.entries(input).map(([name, value]) => {
      if (/[=\0]/.test(name) || name === '') return new Wrong(`expected the name of a variable, got ${describe(name)}`);
      if (['string', 'number', 'boolean'].includes(typeof value)) return `${name}=${value}`;
      return new Wrong(`${name}: expected a string, a number or true or false, got ${describe(value)}`);
    });
    return words.find((word) => word instanceof Wrong) ?? pairs(words);
  };
  return {
    metavar: 'name=value',
    type: 'Record<string, string | number | boolean> | string[]',
    takes: 'many',
    parse: pairs,
    check: (input) => {
      if (Array.isArray(input)) return pairs(input);
      if (isPlainObject(input)) return members(input);
      return new Wrong(`expected an object or an array of NAME=value, got ${describe(input)}`);
    },
    show: (value) =>
      Object.entries(value)
        .map((pair) => pair.join('='))
        .join(' '),
  };
}

/** A function in the configuration file that the master calls. */
export function hook<Call extends (...given: never[]) => unknown>(signature: string): Kind<Call> {
  const refused = (got: string) => new Wrong(`expected a function, got ${got}`);
  return {
    metavar: '',
    type: signature,
    takes: 'one',
    parse: (words) => refused(JSON.stringify(words.at(-1))),
    check: (input) => (typeof input === 'function' ? (input as Call) : refused(describe(input))),
    show: () => 'a function',
  };
}
