import { type CommandName, isCommand } from './commands.ts';
import type { AnySetting } from './setting.ts';
import { settings } from './settings.ts';

/** Words as they were given, by the name of the setting; all occurrences, in order. A switch has `true` or `false`. */
export type Words = Map<string, string[]>;

/** A command line that serves an application. */
export interface ServeLine {
  kind: 'serve';
  words: Words;
  /** What follows `--`: the application's. */
  argv: string[];
}

export type CommandLine =
  | ServeLine
  | { kind: 'command'; name: CommandName; args: string[] }
  | { kind: 'help' | 'version'; text: string };

export type Table = Readonly<Record<string, AnySetting>>;

/**
 * Reads a command line, without the name of the program.
 * @throws TsgunError('usage') for what the grammar does not allow; values are checked by {@link loadConfig}
 */
export async function parseCommandLine(argv: readonly string[]): Promise<CommandLine> {
  const [first, ...args] = argv;
  if (isCommand(first)) return { kind: 'command', name: first, args };
  return readPlainly(argv) ?? (await import('./command.ts')).readFully(argv);
}

/** What follows the first `--` is the application's. */
export function splitArgv(argv: readonly string[]): { own: readonly string[]; rest: string[] } {
  const end = argv.indexOf('--');
  return end === -1 ? { own: argv, rest: [] } : { own: argv.slice(0, end), rest: argv.slice(end + 1) };
}

/**
 * Reads the plain case quickly: known options, each with its value, and one word for the application.
 * @returns undefined for whatever else it meets (--help, a typing error); commander reads that, and words the complaint
 */
export function readPlainly(argv: readonly string[], table: Table = settings): ServeLine | undefined {
  const { own, rest } = splitArgv(argv);
  const options = optionNames(table);
  const words: Words = new Map();
  for (let index = 0; index < own.length; index++) {
    const [name, attached] = splitOption(own[index]!);
    const option = options.get(name);
    if (option === undefined || (name === POSITIONAL && words.has(option.key))) return undefined;
    if (option.word !== undefined && attached !== undefined) return undefined;
    const word = option.word ?? attached ?? own[++index];
    const isMissing = word === undefined || word === '' || (attached === undefined && isOption(word));
    if (isMissing) return undefined;
    addWord(words, option.key, word);
  }
  return { kind: 'serve', words, argv: rest };
}

export function addWord(words: Words, key: string, word: string): void {
  const before = words.get(key);
  if (before === undefined) words.set(key, [word]);
  else before.push(word);
}

const POSITIONAL = '';

interface OptionName {
  key: string;
  /** What a switch stands for. */
  word?: 'true' | 'false';
}

/** All ways to name a setting on the command line; the positional one has the empty name. */
function optionNames(table: Table): Map<string, OptionName> {
  const names = new Map<string, OptionName>();
  for (const [key, row] of Object.entries(table)) {
    if (row.positional) names.set(POSITIONAL, { key });
    for (const name of flagsOf(row)) {
      names.set(name, row.kind.takes === 'nothing' ? { key, word: 'true' } : { key });
      if (row.kind.takes === 'nothing' && name.startsWith('--')) names.set(negated(name), { key, word: 'false' });
    }
  }
  return names;
}

/** `-w, --workers` → `-w`, `--workers` */
export const flagsOf = (row: AnySetting): string[] => row.flags?.split(', ') ?? [];

/** `--reload` → `--no-reload` */
export const negated = (name: string) => `--no-${name.slice(2)}`;

const isOption = (word: string) => word.startsWith('-') && word !== '-';

/** `--bind=x` → `--bind`, `x`; `-w4` → `-w`, `4`; a word that is no option belongs to the positional setting. */
function splitOption(word: string): [name: string, attached: string | undefined] {
  if (!isOption(word)) return [POSITIONAL, word];
  if (!word.startsWith('--')) return [word.slice(0, 2), word.length > 2 ? word.slice(2) : undefined];
  const equals = word.indexOf('=');
  return equals === -1 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}
