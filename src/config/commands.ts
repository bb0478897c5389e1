/** An option of a command; without a metavar it is a switch. */
export interface CommandOption {
  flags: `--${string}`;
  metavar?: string;
  help: string;
}

/** Which instance is meant. */
const which = [
  { flags: '--name', metavar: 'name', help: 'The instance with this name.' },
  { flags: '--pid', metavar: 'pid', help: 'The instance whose master has this process id, such as $MAINPID.' },
  { flags: '--control-socket', metavar: 'path', help: 'The instance whose control socket this is.' },
] as const satisfies CommandOption[];

/** What `tsgun COMMAND` asks of a running instance, by its control socket. The command has to be the first word. */
export const commands = {
  reload: {
    summary: 'Start the new code, then retire the old.',
    more: 'It returns when that has ended, and prints how. When the new code does not come up, nothing has changed; its stack and what it wrote to standard error follow, and the exit status is 1.',
    options: which,
  },
  status: {
    summary: 'Show the master and its workers.',
    more: 'What it prints with **--json** is described in [control-socket.md](control-socket.md), and stays as it is; the table may change.',
    options: [{ flags: '--json', help: 'Print one JSON object.' }, ...which],
  },
} as const satisfies Record<string, { summary: string; more: string; options: readonly CommandOption[] }>;

export type CommandName = keyof typeof commands;

export const isCommand = (word: string | undefined): word is CommandName =>
  word !== undefined && Object.hasOwn(commands, word);
