import { failures } from '../errors.ts';
import { flagsOf, negated } from './arguments.ts';
import { type CommandOption, commands } from './commands.ts';
import { type AnySetting, sections } from './setting.ts';
import { type Key, settings } from './settings.ts';

/** The parts of manual and README that follow from tables, by the name of the marker that they stand between. */
const parts: Record<string, () => string> = {
  options: () => bySection((row) => row.flags !== undefined, option),
  reference: () => bySection((row) => row.file !== false, inFile),
  settings: () =>
    table(
      ['Setting', 'Meaning', 'Default'],
      rows()
        .filter(([, row]) => row.listed)
        .map(listed),
    ),
  commands: () =>
    Object.entries(commands)
      .map(([name, command]) =>
        item(`**tsgun ${name}** [*options*]`, `${command.summary} ${command.more}`, optionsOf(command)),
      )
      .join('\n'),
  exits: () => table(['Status', 'Meaning'], exitCodes()),
  environment: () =>
    rows()
      .flatMap(([key, row]) => (row.env === undefined ? [] : [variable(row.env, key)]))
      .join('\n'),
};

/** Writes what the tables say between the markers `<!-- NAME:begin -->` and `<!-- NAME:end -->` of a Markdown text. */
export function fill(markdown: string): string {
  return markdown.replace(/(<!-- (\w+):begin[^>]*-->\n).*?(<!-- \2:end -->)/gs, (whole, begin, name, end) => {
    const part = parts[name];
    return part === undefined ? whole : `${begin}\n${part()}\n\n${end}`;
  });
}

const rows = () => Object.entries(settings) as [Key, AnySetting][];

function bySection(wanted: (row: AnySetting) => boolean, write: (key: Key, row: AnySetting) => string): string {
  const written = Object.entries(sections).map(([section, title]) => {
    const items = rows().filter(([, row]) => row.section === section && wanted(row));
    return items.length === 0 ? [] : [`### ${title}`, '', items.map((entry) => write(...entry)).join('\n'), ''];
  });
  return written.flat().join('\n').trimEnd();
}

/** An item with its name on a line of its own. */
const item = (name: string, ...paragraphs: string[]) => `- ${name}\\\n  ${paragraphs.join('\n\n  ')}`;

function option(_key: Key, row: AnySetting): string {
  const names = flagsOf(row).map((name) => `**${name}**`);
  if (row.kind.takes === 'nothing') names.push(`**${negated(flagsOf(row).at(-1)!)}**`);
  const value = row.kind.takes === 'nothing' ? '' : ` *${row.kind.metavar}*`;
  const again = row.kind.takes === 'many' ? ' It may be repeated.' : '';
  const unless = fallback(row);
  return item(
    `${names.join(', ')}${value}`,
    `${meaning(row)}${again}${unless === 'none' ? '' : ` Default: ${unless}.`}`,
  );
}

/** A command's options in a sentence. */
function optionsOf({ options }: { options: readonly CommandOption[] }): string {
  const words = options.map(({ flags, metavar, help }) => {
    const value = metavar === undefined ? '' : ` *${metavar}*`;
    return `**${flags}**${value}: ${help[0]!.toLowerCase()}${help.slice(1, -1)}`;
  });
  return `Options: ${words.join('; ')}.`;
}

function inFile(key: Key, row: AnySetting): string {
  const facts = [`Default: ${fallback(row)}.`];
  if (row.flags !== undefined) facts.push(`Option: ${flagsOf(row).map(code).join(', ')}.`);
  if (row.env !== undefined) facts.push(`Environment: ${code(row.env)}.`);
  if (row.gunicorn !== undefined) facts.push(`In Gunicorn: ${code(row.gunicorn)}.`);
  facts.push(row.reload ? 'A reload can change it.' : 'Changing it takes a restart.');
  return item(`**${key}**: ${code(row.kind.type)}`, meaning(row), facts.join(' '));
}

function listed([key, row]: [Key, AnySetting]): string[] {
  const name = row.positional ? `${key} (the first word)` : flagsOf(row).map(code).join(', ') || code(key);
  return [name, row.help, fallback(row)];
}

function exitCodes(): string[][] {
  const byCode = new Map<number, string[]>([[0, ['tsgun was stopped by a signal', 'the command is done']]]);
  for (const { exitCode, about } of Object.values(failures))
    byCode.set(exitCode, [...(byCode.get(exitCode) ?? []), about]);
  return [...byCode].sort(([a], [b]) => a - b).map(([status, about]) => [code(String(status)), `${about.join('; ')}.`]);
}

const variable = (name: string, key: Key) =>
  item(`**${name}**`, `Gives **${key}**${key === 'bind' ? ' (`0.0.0.0:$PORT`)' : ''} when nothing else does.`);

const meaning = (row: AnySetting) => {
  const words = row.kind.words === undefined ? '' : ` One of ${row.kind.words.map(code).join(', ')}.`;
  return `${row.help}${words}${row.more === undefined ? '' : ` ${row.more}`}`;
};

function fallback(row: AnySetting): string {
  if (row.defaultText !== undefined) return row.defaultText;
  const shown = row.default === undefined ? '' : row.kind.show(row.default);
  return shown === '' ? 'none' : code(shown);
}

const code = (text: string) => `\`${text}\``;

function table(head: string[], body: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
