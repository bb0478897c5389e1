/**
 * A worker's life: signals are held, listen() is overridden, the master's orders come in over IPC, and only then is the
 * application loaded. It is the cluster's `exec`; the application becomes the main module.
 */
import type { Boot, BootFailure, ToWorker } from '../shared/protocol.ts';
import { type Loaded, LoadFailure, loadApplication, reportableError, watchForFailure } from './app.ts';
import { limitApplicationSend, notice, onOrder, send } from './channel.ts';
import { trackConnections, trackSessions } from './connections.ts';
import { type Drainable, drain } from './drain.ts';
import { Listeners } from './listen.ts';
import { RequestCount } from './recycle.ts';
import { holdSignals } from './signals.ts';
import { surviveBrokenStderr } from './stderr.ts';

const listeners = new Listeners();
const worker: Drainable = {
  park() {
    listeners.park();
    if (leaving !== undefined) void send({ type: 'leaving', reason: leaving });
  },
  servers: () => listeners.open.map(({ server }) => server),
};

let boot: Boot | undefined;
let primed = 0;
let loading = false;
let settled: Loaded | undefined;
let unguard: (() => void) | undefined;
let saidReady = false;
/** The condition is fulfilled; with `--verify`, it is asking itself. */
let reporting = false;
let loaded = false;
let verify: typeof import('./verify.ts').verify | undefined;
let requests: RequestCount | undefined;
/** Why it leaves without having been told. It accepts for a moment, in which a master that has had the same signal may tell it. */
let leaving: string | undefined;

holdSignals((reason) => {
  leaving = reason;
  drain({ how: 'graceful', lingerMs: 0, timeoutMs: 0, queue: 'take', ...boot?.drain }, worker);
});
limitApplicationSend(() => {
  saidReady = true;
  void reportLoaded();
});
trackConnections();
listeners.install();
listeners.onListening = (server) => {
  trackSessions(server);
  requests?.watch(server);
  keepLoopOpen();
  setImmediate(reportLoaded);
};
listeners.onChange = keepLoopOpen;
onOrder((order, handle) => {
  switch (order.type) {
    case 'prime':
      void prime(order, handle!);
      primed++;
      return loadWhenPrimed();
    case 'boot':
      boot = order;
      return loadWhenPrimed();
    case 'listen':
      requests?.begin();
      return void listeners.accept(order.handles).then(() => send({ type: 'serving' }));
    case 'handle':
      return listeners.receive(order.listener, handle);
    case 'drain':
      leaving = undefined;
      return drain(order, worker);
  }
});

/** Nothing is loaded before the sockets listen: a conflict shows first, and connections wait from then on. */
function loadWhenPrimed(): void {
  if (boot && !loading && primed >= boot.primes) {
    loading = true;
    void load(boot);
  }
}

/** Puts the master's socket into LISTEN for good without accepting on it: from then on connections wait in the kernel. */
function prime(
  { listener, backlog }: Extract<ToWorker, { type: 'prime' }>,
  handle: { listen(backlog: number): number; close(): void },
): Promise<void> {
  const errno = handle.listen(backlog);
  handle.close();
  listeners.inFlight.primed(listener);
  return send({ type: 'primed', listener, errno });
}

async function load(order: Boot): Promise<void> {
  process.title = order.title;
  listeners.configure(order);
  if (order.maxRequests) {
    requests = new RequestCount(order.maxRequests, () => void send({ type: 'retiring', reason: 'max requests' }));
  }
  // cluster keeps the channel open, and with it a program that never listens; until it does, let it end.
  process.channel?.unref();
  process.once('beforeExit', endedWithoutListening);
  surviveBrokenStderr();
  process.on('uncaughtExceptionMonitor', (error, origin) => {
    void send({ type: 'uncaught', origin, stack: error instanceof Error ? String(error.stack) : String(error) });
  });
  try {
    // Before the application, which may change how modules are loaded.
    if (order.verify) ({ verify } = await import('./verify.ts'));
    listeners.main.entryStarts();
    settled = await loadApplication(order.app, order.argv, {
      ...order.fallback,
      bound: order.explicit.length > 0,
      hasListened: () => listeners.httpListens,
      adopt: (start) => listeners.main.adopt(start),
      notice,
    });
    // Until it is loaded, what nobody catches is a failure to boot.
    unguard = guard();
    void reportLoaded();
  } catch (error) {
    await fail(error instanceof LoadFailure ? error.failure : unexpected(error));
  }
}

function guard(): () => void {
  const { failed, release } = watchForFailure();
  failed.catch((error) => {
    const { summary, stack } = reportableError(error);
    void fail({
      code: 'boot',
      message: `${boot!.app.file} failed before it ${reporting ? 'answered' : 'listened'}: ${summary}`,
      stack,
    });
  });
  return release;
}

/**
 * Loaded: the module has settled, and it listens (and a turn of the loop has passed) or says that it is ready; then it
 * has answered what `--verify` asks.
 */
async function reportLoaded(): Promise<void> {
  if (reporting || !settled || !boot) return;
  if (boot.ready === 'message' ? !saidReady : listeners.own.length === 0) return;
  reporting = true;
  listeners.settleMain();
  const failure = boot.verify && (await verify?.(boot.verify, listeners.main.current));
  if (failure) return fail(failure);
  loaded = true;
  unguard?.();
  void send({ type: 'loaded', kind: settled.kind });
}

/** As long as a server of the application is referenced, the worker lives, as a listening program does in bare Node. */
function keepLoopOpen(): void {
  if (listeners.holdsLoopOpen) process.channel?.ref();
  else process.channel?.unref();
}

function endedWithoutListening(): void {
  if (loaded) return;
  const { app, ready } = boot!;
  const waited = ready === 'message' && !saidReady;
  const message = waited ? "before process.send('ready')" : 'without listening and without an export to serve';
  void fail(settled?.unserved ?? { code: 'boot', message: `${app.file} came to its end ${message}` });
}

async function fail(failure: BootFailure): Promise<void> {
  await send({ type: 'failed', failure });
  process.exit(failure.code === 'notFound' ? 4 : failure.code === 'bind' ? 1 : 3);
}

function unexpected(error: unknown): BootFailure {
  const stack = error instanceof Error ? String(error.stack) : String(error);
  return { code: 'boot', message: stack.split('\n', 1)[0]!, stack };
}
