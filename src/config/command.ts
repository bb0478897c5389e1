import { Argument, Command, CommanderError, Option } from 'commander';
import { TsgunError } from '../errors.ts';
import { addWord, type CommandLine, flagsOf, negated, splitArgv, type Table, type Words } from './arguments.ts';
import { type CommandName, type CommandOption, commands } from './commands.ts';
import { nearest } from './nearest.ts';
import { type AnySetting, sections } from './setting.ts';
import { settings } from './settings.ts';
import { version } from './version.ts';

/**
 * Reads a command line with commander, which knows the whole grammar and complains where it is not kept.
 * @throws TsgunError('usage')
 */
export function readFully(argv: readonly string[], table: Table = settings): CommandLine {
  const { own, rest } = splitArgv(argv);
  const words: Words = new Map();
  const program = buildProgram(table, words);
  const failure = parse(program, own);
  if (failure === undefined) return { kind: 'serve', words, argv: rest };
  if (failure.code === 'commander.helpDisplayed') return { kind: 'help', text: failure.text };
  if (failure.code === 'commander.version') return { kind: 'version', text: failure.text };
  throw complaint(failure, [...longNames(table), '--help', '--version'], program, {
    seeHelp: 'tsgun --help shows all options',
    excess: 'the arguments of the application follow --',
  });
}

/** The options of a command: the word that follows, or true for a switch. */
export type CommandOptions = Readonly<Record<string, string | true>>;

/**
 * Reads what follows `tsgun COMMAND`.
 * @returns the options by their names without dashes, or the help that was asked for
 * @throws TsgunError('usage')
 */
export function readCommand(name: CommandName, args: readonly string[]): CommandOptions | { help: string } {
  const { summary, options } = commands[name];
  const given: Record<string, string | true> = {};
  const program = strict(new Command(`tsgun ${name}`))
    .description(summary)
    .usage('[options]');
  const names = options.map(({ flags }) => flags as string);
  for (const { flags, metavar, help } of options as readonly CommandOption[]) {
    const key = flags.slice(2);
    const take = (word: string) => {
      if (names.includes(word)) throw new TsgunError('usage', `${flags}: a value is missing before ${word}`);
      if (word === '') throw new TsgunError('usage', `${flags}: a value is missing`);
      given[key] = word;
    };
    if (metavar === undefined)
      program.on(`option:${key}`, () => (given[key] = true)).addOption(new Option(flags, help));
    else program.addOption(new Option(`${flags} <${metavar}>`, help).argParser(take));
  }
  const failure = parse(program, args);
  if (failure === undefined) return given;
  if (failure.code === 'commander.helpDisplayed') return { help: failure.text };
  const seeHelp = `tsgun ${name} --help shows all options`;
  throw complaint(failure, [...names, '--help'], program, { seeHelp, excess: seeHelp });
}

/** Has commander complain by what it throws, and by nothing else. */
function strict(program: Command): Command {
  return program
    .helpOption('-h, --help', 'Show this help.')
    .configureHelp({ helpWidth: 80 })
    .showSuggestionAfterError(false)
    .allowExcessArguments(false)
    .exitOverride();
}

/** @returns why commander did not come to the end, and the text it would have written */
function parse(
  program: Command,
  words: readonly string[],
): { code: string; message: string; text: string } | undefined {
  let text = '';
  program.configureOutput({ writeOut: (part) => (text += part), writeErr: () => {} });
  try {
    program.parse(words, { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { code: error.code, message: error.message, text };
  }
}

/** The program as commander knows it; what it reads goes into `words`. */
function buildProgram(table: Table, words: Words): Command {
  const program = strict(
    new Command('tsgun')
      .usage('<app> [options] [-- <argument>...]')
      .version(`tsgun ${version}`, '-v, --version', 'Show the version.'),
  );
  for (const [key, row] of Object.entries(table)) {
    const take = (word: string) => {
      // commander takes the next word for the value, whatever it is.
      if (longNames(table).includes(word))
        throw new TsgunError('usage', `${row.flags}: a value is missing before ${word}`);
      addWord(words, key, word);
    };
    if (row.positional) program.addArgument(new Argument(`[${key}]`, row.help).argParser(take));
    for (const option of optionsOf(row, take)) {
      program.addOption(option);
      if (row.kind.takes === 'nothing') program.on(`option:${option.name()}`, () => take(String(!option.negate)));
    }
  }
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  program.addHelpText('after', `\nCommands for a running instance (tsgun COMMAND --help):\n${list.join('\n')}`);
  return program;
}

/** The first long name is the one that help shows; further ones are hidden aliases. */
function optionsOf(row: AnySetting, take: (word: string) => void): Option[] {
  const names = flagsOf(row);
  if (names.length === 0) return [];
  const shown = names.filter(
    (name, index) => !name.startsWith('--') || index === names.findIndex((n) => n.startsWith('--')),
  );
  const aliases = names.filter((name) => !shown.includes(name));
  return [shown.join(', '), ...aliases].flatMap((flags, index) => {
    const make = (text: string) =>
      new Option(text, describeRow(row)).helpGroup(`${sections[row.section]}:`).hideHelp(index > 0);
    if (row.kind.takes !== 'nothing') return [make(`${flags} <${row.kind.metavar}>`).argParser(take)];
    return [make(flags), make(negated(flags.split(', ').at(-1)!)).hideHelp()];
  });
}

/** The help of a row with its default. */
function describeRow(row: AnySetting): string {
  const facts = row.kind.words === undefined ? [] : [row.kind.words.join(', ')];
  const fallback = row.default === undefined ? '' : row.kind.show(row.default);
  if (row.kind.takes !== 'nothing' && fallback !== '') facts.push(`default: ${fallback}`);
  return facts.length === 0 ? row.help : `${row.help} (${facts.join('; ')})`;
}

/** What commander found wrong, in one line that names the word and, of an unknown option, the nearest one of `long`. */
function complaint(
  { code, message }: { code: string; message: string },
  long: readonly string[],
  program: Command,
  hints: { seeHelp: string; excess: string },
): TsgunError {
  const excess = program.args[program.registeredArguments.length];
  const [, quoted = ''] = /'([^']*)'/.exec(message) ?? [];
  switch (code) {
    case 'commander.unknownOption': {
      const name = quoted.split('=', 1)[0]!;
      const known = long.map((each) => each.slice(2));
      const near = nearest(name.replace(/^--?(no-)?/, ''), known);
      if (near === undefined) return new TsgunError('usage', `unknown option "${name}"`, hints.seeHelp);
      return new TsgunError('usage', `unknown option "${name}"; did you mean "--${near}"?`);
    }
    case 'commander.optionMissingArgument':
      return new TsgunError('usage', `${quoted.replace(/ <.*/, '')}: a value is missing`);
    case 'commander.excessArguments':
      return new TsgunError('usage', `"${excess}" is one word too many`, hints.excess);
    default:
      return new TsgunError('usage', message.replace(/^error: /, ''), hints.seeHelp);
  }
}

const longNames = (table: Table) =>
  Object.values(table)
    .flatMap(flagsOf)
    .filter((name) => name.startsWith('--'));
