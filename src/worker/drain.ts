/**
 * A worker's leave. No request that reached it is lost, and no client is cut off that could have been told:
 * answer what still comes with `Connection: close` · stop accepting · close idle connections, spread over the linger ·
 * when the last response is out, hand over to the application's own SIGTERM listeners · exit.
 */
import type { Server, Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { monotonicMs } from '../shared/clock.ts';
import { send } from './channel.ts';
import { accepted, http2Sessions, httpSockets, idleSockets, lastResponse, otherSockets } from './connections.ts';
import { announceClose, markLast } from './last-response.ts';
import { deliverSignals } from './signals.ts';

export interface DrainOrder {
  how: 'graceful' | 'quick';
  /** How long idle connections may linger for one more request, milliseconds. */
  lingerMs: number;
  /** The limit for all of it, milliseconds. */
  timeoutMs: number;
  /** Whether to accept what waits, since nobody else will. */
  queue: 'take' | 'leave';
}

/** What a drain needs of the worker. */
export interface Drainable {
  /** Stops accepting for good. */
  park(): void;
  servers(): Server[];
}

/** How often a draining worker looks whether it is done. */
const LOOK_MS = 20;

/** How long a draining worker accepts on: by then the others do so, or the master has closed the socket. */
const ACCEPT_MS = 30;

/** An unused connection may be so young that its request has not arrived: it gets this long, whatever the linger is. */
const UNUSED_MS = 100;

/** When connections do not cease to come. */
const ACCEPT_LIMIT_MS = 200;

/** By then a signal that the master had has come to all of its group. */
const SIGNAL_MS = 30;

/** PM2 gives its `shutdown` message this long. A listener to messages may be there for something else. */
const SHUTDOWN_MESSAGE_MS = 1600;

/** What the application's listeners, and upgraded sockets that were half-closed, get beyond the limit. */
const LAST_MS = 500;

/** When the waiting for responses ends, and when all of it does: both move when a quick stop overtakes a graceful one. */
const limits = { responsesAt: 0, endAt: 0 };
let begun = false;

/** Ends the process, unless the application's own listeners do. A second order can only hasten the first. */
export function drain(order: DrainOrder, worker: Drainable): void {
  const endAt = monotonicMs() + order.timeoutMs;
  const responsesAt = order.how === 'quick' ? 0 : endAt;
  if (begun) {
    limits.endAt = Math.min(limits.endAt, endAt);
    limits.responsesAt = Math.min(limits.responsesAt, responsesAt);
    return;
  }
  begun = true;
  Object.assign(limits, { endAt, responsesAt });
  void leave(order, worker);
}

async function leave(order: DrainOrder, worker: Drainable): Promise<void> {
  if (order.how === 'graceful') {
    process.emit('tsgun:drain' as 'message', undefined, undefined);
    for (const server of worker.servers()) announceClose(server);
    if (order.queue === 'take') await acceptWaiting();
    worker.park();
    await responsesOut(order.lingerMs, worker);
    await send({ type: 'drained' });
  } else {
    worker.park();
    // Ctrl-C reaches the worker too: a listener that is told already would hear of it twice.
    await sleep(SIGNAL_MS);
  }
  const quick = (): boolean => limits.responsesAt === 0;
  const upgradedGone = (): boolean => quick() || otherSockets(worker.servers()).length === 0;
  const heardBy = deliverSignals();
  // What the application does now may end the process by itself, as it would in bare Node.
  process.channel?.unref();
  const patience = { signal: Number.POSITIVE_INFINITY, message: monotonicMs() + SHUTDOWN_MESSAGE_MS, nobody: 0 };
  const keepsAlive = heardBy === 'nobody';
  await until(
    () => monotonicMs() >= patience[heardBy] && upgradedGone(),
    () => limits.endAt,
    keepsAlive,
  );
  for (const socket of otherSockets(worker.servers())) socket.end();
  const lastAt = monotonicMs() + LAST_MS;
  await until(
    () => quick() || (heardBy !== 'signal' && upgradedGone()),
    () => lastAt,
    keepsAlive,
  );
  process.exit(0);
}

/**
 * Accepts what waits in the queue, then one turn of the loop without a new connection. When everybody leaves, nobody
 * else would: the kernel resets what is in the queue of a socket that the last one closes.
 */
async function acceptWaiting(): Promise<void> {
  await sleep(ACCEPT_MS);
  const limit = monotonicMs() + ACCEPT_LIMIT_MS;
  for (let before = -1; before !== accepted.total && monotonicMs() < limit; ) {
    before = accepted.total;
    await turnOfTheLoop();
  }
}

async function responsesOut(lingerMs: number, worker: Drainable): Promise<void> {
  const closeAt = new WeakMap<Socket, number>();
  // From when it was first seen idle, not all in one tick: their clients would all come back in the same one.
  const isDue = (socket: Socket): boolean => {
    const patienceMs = Math.max(lingerMs * (0.5 + Math.random() / 2), socket.bytesRead === 0 ? UNUSED_MS : 0);
    const at = closeAt.get(socket) ?? monotonicMs() + patienceMs;
    closeAt.set(socket, at);
    return monotonicMs() >= at;
  };
  const look = (): boolean => {
    const servers = worker.servers();
    for (const server of servers) {
      for (const socket of httpSockets(server)) {
        const response = lastResponse(socket);
        if (response) markLast(socket, response);
      }
      for (const socket of idleSockets(server)) if (isDue(socket)) socket.destroy();
    }
    // GOAWAY says which streams are not served any more: those the client may safely ask for again.
    for (const session of http2Sessions()) if (!session.closed) session.close();
    return http2Sessions().length === 0 && servers.every((server) => httpSockets(server).length === 0);
  };
  await until(look, () => limits.responsesAt);
}

/** Resolves when `done` says so, or at the limit, which may move. */
function until(done: () => boolean, limit: () => number, keepsAlive = true): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!done() && monotonicMs() < limit()) return;
      clearInterval(timer);
      resolve();
    };
    const timer = setInterval(look, LOOK_MS);
    if (!keepsAlive) timer.unref();
    look();
  });
}
