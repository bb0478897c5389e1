import { Argument, Command, CommanderError, Option } from 'commander';
import { TsgunError } from '../errors.ts';
import { addWord, type CommandLine, flagsOf, negated, splitArgv, type Table, type Words } from './arguments.ts';
import { commands } from './commands.ts';
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
  let text = '';
  program.configureOutput({ writeOut: (part) => (text += part), writeErr: () => {} });
  try {
    program.parse(own, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { kind: 'help', text };
    if (error.code === 'commander.version') return { kind: 'version', text };
    throw complaint(error, table, program.args);
  }
  return { kind: 'serve', words, argv: rest };
}

/** The program as commander knows it; what it reads goes into `words`. */
function buildProgram(table: Table, words: Words): Command {
  const program = new Command('tsgun')
    .usage('<app> [options] [-- <argument>...]')
    .version(`tsgun ${version}`, '-v, --version', 'Show the version.')
    .helpOption('-h, --help', 'Show this help.')
    .configureHelp({ helpWidth: 80 })
    .showSuggestionAfterError(false)
    .allowExcessArguments(false)
    .exitOverride();
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

const SEE_HELP = 'tsgun --help shows all options';

/** What commander found wrong, in one line that names the word and, of an unknown option, the nearest one. */
function complaint(error: CommanderError, table: Table, args: readonly string[]): TsgunError {
  const [, quoted = ''] = /'([^']*)'/.exec(error.message) ?? [];
  switch (error.code) {
    case 'commander.unknownOption': {
      const name = quoted.split('=', 1)[0]!;
      const known = [...longNames(table), '--help', '--version'].map((long) => long.slice(2));
      const near = nearest(name.replace(/^--?(no-)?/, ''), known);
      if (near === undefined) return new TsgunError('usage', `unknown option "${name}"`, SEE_HELP);
      return new TsgunError('usage', `unknown option "${name}"; did you mean "--${near}"?`);
    }
    case 'commander.optionMissingArgument':
      return new TsgunError('usage', `${quoted.replace(/ <.*/, '')}: a value is missing`);
    case 'commander.excessArguments':
      return new TsgunError('usage', `"${args[1]}" is one word too many`, 'the arguments of the application follow --');
    default:
      return new TsgunError('usage', error.message.replace(/^error: /, ''), SEE_HELP);
  }
}

const longNames = (table: Table) =>
  Object.values(table)
    .flatMap(flagsOf)
    .filter((name) => name.startsWith('--'));
