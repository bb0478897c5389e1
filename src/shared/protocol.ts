/**
 * What master and workers say to each other: both directions as unions of named facts and orders.
 *
 * Every message carries `cmd: 'NODE_TSGUN'`, so that Node delivers it as 'internalMessage' and no listener of the
 * application sees it. Questions that `listen()` asks synchronously travel over a blocking socketpair ({@link QUESTION_FD}).
 */
export const CMD = 'NODE_TSGUN';

/** The worker's end of the socketpair over which it asks "may I listen here?" and blocks for the answer. */
export const QUESTION_FD = 4;

/** What `server.address()` shall say of a listener. */
export type SockName = { family: 'IPv4' | 'IPv6'; address: string; port: number } | { path: string };

/** A socket of the master as a worker knows it. */
export interface ListenerInfo {
  id: number;
  sockname: SockName;
  /** The master's descriptor that it was made of (`fd://3`): what `listen({ fd: 3 })` means in a worker. */
  fd?: number;
}

/** A file and what to take from it: `app.js`, `app.js:name`, `app.js:create(1, "x")`. */
export interface AppSpec {
  /** Absolute path of the module. */
  file: string;
  /** Name of the export; absent: the usual ones are tried. */
  exportName?: string;
  /** Present when the export is a factory that is to be called, with these arguments. */
  factoryArgs?: unknown[];
}

/** All that a worker needs to know before it loads the application. */
export interface Boot {
  type: 'boot';
  id: number;
  slot: number;
  generation: number;
  /** How many 'prime' orders follow. It comes before them, since a message behind a handle waits for the handle's receipt. */
  primes: number;
  app: AppSpec;
  /** What follows `--` on the command line: the application's process.argv from index 2. */
  argv: string[];
  /** process.title of the worker. */
  title: string;
  /** Explicitly bound sockets (flag, file, PORT, socket activation), in the order they were given. */
  explicit: ListenerInfo[];
  /** Where a handler is served when nothing was bound explicitly. */
  fallback: { host: string; port: number };
  /** The port that marks the application's main listener among several. */
  appPort?: number;
  /** What counts as loaded: the module settled and listening, or `process.send('ready')`. */
  ready: 'listen' | 'message';
  /** The path that has to be answered with 2xx or 3xx before it counts as loaded, and the limit for all of the boot. */
  verify?: { path: string; bootTimeoutMs: number };
  /** After so many requests, and a random part of `jitter` more, it asks to be replaced. */
  maxRequests?: { count: number; jitter: number };
  backlog: number;
  /** Idle keep-alive seconds; `forced` when the user asked for it, else the application's own value wins. */
  keepAlive: { seconds: number; forced: boolean };
  /** Limits of a drain that the worker begins by itself, since it was sent SIGTERM or its master is gone. */
  drain: { lingerMs: number; timeoutMs: number };
}

/** Orders of the master. */
export type ToWorker =
  | { type: 'prime'; listener: number; backlog: number } // with a handle: listen once and close it, so that the socket queues
  | Boot
  | { type: 'listen'; handles: number[] } // leave standby: accept on every listener; the handles of these follow
  | { type: 'handle'; listener: number } // with a handle: the answer to 'want', or what follows 'listen'
  | { type: 'drain'; how: 'graceful' | 'quick'; lingerMs: number; timeoutMs: number; queue: 'take' | 'leave' };

/** Why a worker could not become ready. */
export interface BootFailure {
  code: 'boot' | 'notFound' | 'bind';
  /** One line for the log. */
  message: string;
  /** The application's own stack, where there is one. */
  stack?: string;
}

/** Facts that a worker reports. */
export type FromWorker =
  | { type: 'primed'; listener: number; errno: number } // 0, or libuv's negative error number
  | { type: 'loaded'; kind: string }
  | { type: 'want'; listener: number }
  | { type: 'serving' }
  | { type: 'closed'; listener: number } // the application closed its server
  | { type: 'chmod'; listener: number; mode: number } // listen({ readableAll, writableAll }) on a path
  | { type: 'leaving'; reason: string } // it drains without having been told (kill -TERM <worker>)
  | { type: 'retiring'; reason: string } // it serves on, until its replacement does
  | { type: 'drained' }
  | { type: 'failed'; failure: BootFailure }
  | { type: 'uncaught'; origin: string; stack: string }
  | { type: 'notice'; level: 'info' | 'warn'; message: string };

/** What `listen()` asks while it blocks. The master binds, or finds the socket that it already holds. */
export interface Question {
  address: string | null;
  port: number;
  /** 4, 6, or -1 for a path or a descriptor, as Node's own cluster query has it. */
  addressType: 4 | 6 | -1;
  flags: number;
  /** Which of several port-0 listens of this worker it is, so that all workers share the same sockets. */
  index: number;
}

/** A negative libuv error number, or the socket; `primes`: it does not listen yet, and the order to prime it is on its way. */
export type Answer = { errno: number } | { listener: ListenerInfo; primes?: boolean };

/** The envelope on the wire. */
export type Envelope<T> = T & { cmd: typeof CMD };
