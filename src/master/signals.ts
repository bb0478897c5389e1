import type { Event } from '../supervise/model.ts';

/** What each signal means, as Gunicorn and nginx have it. A signal states a fact or a wish; none decides. */
const meanings = {
  SIGTERM: { type: 'stop', how: 'graceful', reason: 'SIGTERM', exitCode: 0 },
  SIGINT: { type: 'stop', how: 'quick', reason: 'SIGINT', exitCode: 0 },
  SIGQUIT: { type: 'stop', how: 'quick', reason: 'SIGQUIT', exitCode: 0 },
  SIGTTIN: { type: 'scale', by: 1 },
  SIGTTOU: { type: 'scale', by: -1 },
} as const satisfies Record<string, Event>;

/** Taken, since their default would end the master, or open its inspector (USR1). */
const withoutMeaning = ['SIGHUP', 'SIGUSR1', 'SIGWINCH'] as const;

/** Makes events of signals; those that the core knows nothing of are `actions`. */
export function takeSignals(
  post: (event: Event) => void,
  ignore: (signal: string) => void,
  actions: Record<'SIGUSR2', () => void>,
): void {
  const take = (signal: string, handle: () => void): void => {
    const earlier = process.listeners(signal as NodeJS.Signals);
    process.on(signal, handle);
    // Not before: without any listener, a signal that is on its way would be lost.
    for (const listener of earlier) process.removeListener(signal, listener);
  };
  for (const [signal, event] of Object.entries(meanings)) take(signal, () => post(event));
  for (const [signal, act] of Object.entries(actions)) take(signal, act);
  for (const signal of withoutMeaning) take(signal, () => ignore(signal));
}
