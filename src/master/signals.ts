import type { Event } from '../supervise/model.ts';

/** What each signal means, as Gunicorn and nginx have it. A signal states a fact or a wish; none decides. */
const meanings = {
  SIGTERM: { type: 'stop', how: 'graceful', reason: 'SIGTERM', exitCode: 0 },
  SIGINT: { type: 'stop', how: 'quick', reason: 'SIGINT', exitCode: 0 },
  SIGQUIT: { type: 'stop', how: 'quick', reason: 'SIGQUIT', exitCode: 0 },
  SIGTTIN: { type: 'scale', by: 1 },
  SIGTTOU: { type: 'scale', by: -1 },
} as const satisfies Record<string, Event>;

/** Signals that mean more than a fact for the core. */
export type Actions = Record<'SIGHUP' | 'SIGUSR1' | 'SIGUSR2' | 'SIGWINCH', () => void>;

/** Makes events of signals; those that the core knows nothing of are `actions`. */
export function takeSignals(post: (event: Event) => void, actions: Actions): void {
  const take = (signal: string, handle: () => void): void => {
    const earlier = process.listeners(signal as NodeJS.Signals);
    process.on(signal, handle);
    // Not before: without any listener, a signal that is on its way would be lost.
    for (const listener of earlier) process.removeListener(signal, listener);
  };
  for (const [signal, event] of Object.entries(meanings)) take(signal, () => post(event));
  for (const [signal, act] of Object.entries(actions)) take(signal, act);
}
