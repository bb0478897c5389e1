import { constants } from 'node:os';

/** Held back from the application until the worker has drained. */
const heldSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;

/** Signals reach whole process groups (Ctrl-C, a terminal's resize, `systemctl kill`): a worker's default would be death or a stop. */
const ignoredSignals = ['SIGTTIN', 'SIGTTOU', 'SIGWINCH'] as const;

type Emit = (this: NodeJS.Process, event: string, ...args: unknown[]) => boolean;
const emit = process.emit as unknown as Emit;
const held = new Set<string>([...heldSignals, 'disconnect']);
const keepListening = (): void => {};
/** cluster's own, which hands messages on to cluster.worker. */
const ownMessageListeners = process.listenerCount('message');
let holding = true;

/**
 * Takes SIGTERM and the loss of the master as orders to drain; the application's own listeners hear of them afterwards.
 *
 * process.emit is replaced once, before the first listener exists, since Node's signal wraps keep the `process.emit` of
 * their first registration; wrapping `on` and `once` instead misses prepended ones and those of signal-exit.
 * cluster's own 'disconnect' listener would exit at once, with responses on the wire.
 */
export function holdSignals(onLeave: (reason: string) => void): void {
  process.emit = function (this: NodeJS.Process, event: string, ...args: unknown[]): boolean {
    if (!holding || !held.has(event)) return emit.call(this, event, ...args);
    if (event === 'SIGTERM') onLeave('SIGTERM');
    if (event === 'disconnect') onLeave('its master is gone');
    return true;
  } as typeof process.emit;
  for (const signal of [...heldSignals, ...ignoredSignals]) process.on(signal, keepListening);
  // An application that calls removeAllListeners('SIGTERM') would make the next one deadly.
  process.on('removeListener', (event, listener) => {
    if (holding && listener === keepListening) process.on(event as NodeJS.Signals, keepListening);
  });
}

/**
 * Hands the end of life to the application: its SIGTERM listeners, or those of the signal it cares about instead, or
 * PM2's `shutdown` message.
 * @returns what of the application's was told and may now end the process by itself
 */
export function deliverSignals(): 'signal' | 'message' | 'nobody' {
  holding = false;
  // Ours go first: signal-exit acts only when its own listeners are the only ones.
  for (const signal of heldSignals) process.removeListener(signal, keepListening);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    if (process.listenerCount(signal) === 0) continue;
    emit.call(process, signal, signal, constants.signals[signal]);
    return 'signal';
  }
  if (process.listenerCount('message') === ownMessageListeners) return 'nobody';
  emit.call(process, 'message', 'shutdown', undefined);
  return 'message';
}
