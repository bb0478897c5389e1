/** What `tsgun COMMAND` asks of a running instance. The command has to be the first word. */
export const commands = {
  reload: { summary: 'Start the new code, then retire the old; waits for the outcome.' },
  status: { summary: 'Show the master and its workers.' },
} as const satisfies Record<string, { summary: string }>;

export type CommandName = keyof typeof commands;

export const isCommand = (word: string | undefined): word is CommandName =>
  word !== undefined && Object.hasOwn(commands, word);
