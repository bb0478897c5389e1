/** What `tsgun COMMAND` will ask of a running instance, once there is a control socket. The command has to be the first word. */
export const commands = {
  reload: { summary: 'Start the new code, then retire the old (not built yet).' },
  status: { summary: 'Show the master and its workers (not built yet).' },
} as const satisfies Record<string, { summary: string }>;

export type CommandName = keyof typeof commands;

export const isCommand = (word: string | undefined): word is CommandName =>
  word !== undefined && Object.hasOwn(commands, word);
