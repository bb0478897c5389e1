import { CMD, type Envelope, type FromWorker, type ToWorker } from '../shared/protocol.ts';

/** A handle of Node's own (TCP or Pipe), as it arrives over the channel and stands behind a server. */
export interface Handle {
  onconnection: ((status: number, client: unknown) => void) | null;
  listen(backlog: number): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
}

type Send = (message: unknown, handle: unknown, options: unknown, callback: (error: Error | null) => void) => boolean;
const nativeSend = process.send?.bind(process) as Send | undefined;

/**
 * Tells the master. Resolves when the message has left or the channel is gone: a send without a callback on a closed
 * channel would be an uncaught exception in the middle of a drain.
 */
export function send(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || !nativeSend) return resolve();
    nativeSend({ ...message, cmd: CMD }, undefined, undefined, () => resolve());
  });
}

export function notice(level: 'info' | 'warn', message: string): void {
  void send({ type: 'notice', level, message });
}

/** Calls `receive` for every order of the master, with the handle that came along. */
export function onOrder(receive: (order: ToWorker, handle: Handle | undefined) => void): void {
  process.on('internalMessage' as 'message', (message: Envelope<ToWorker>, handle: unknown) => {
    if (message.cmd === CMD) receive(message, handle as Handle | undefined);
  });
}

/**
 * What the application may say with process.send: `ready`, what prom-client's cluster registry exchanges, and what Node's
 * own modules send. The rest is dropped with one warning: a flood of messages that nobody reads must not keep the master busy.
 */
export function limitApplicationSend(onReady: () => void): void {
  let warned = false;
  process.send = function send(message: unknown, ...rest: unknown[]): boolean {
    const callback = rest.find((each) => typeof each === 'function') as ((error: Error | null) => void) | undefined;
    if (passes(message)) return (nativeSend as (...all: unknown[]) => boolean)(message, ...rest);
    if (message === 'ready') onReady();
    else if (!warned) {
      warned = true;
      notice('warn', 'the application sends messages with process.send that nobody reads; they are dropped');
    }
    if (callback) process.nextTick(callback, null);
    return true;
  } as NonNullable<typeof process.send>;
}

function passes(message: unknown): boolean {
  if (typeof message !== 'object' || message === null) return false;
  const { cmd, type } = message as { cmd?: unknown; type?: unknown };
  if (typeof cmd === 'string') return cmd.startsWith('NODE_') && cmd !== CMD;
  return typeof type === 'string' && type.startsWith('prom-client:');
}
