import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createRequire } from 'node:module';
import { Server } from 'node:net';
import { pathToFileURL } from 'node:url';
import { type FetchApplication, fetchListener } from './adapters/fetch.ts';

/** What an adapter needs of the worker to get its server onto the application's listener. */
export interface Seam {
  /** Whether the application has called `listen()` by itself. */
  hasListened(): boolean;
  /** Runs `start`; whatever listens meanwhile is the application's main listener. */
  adopt<T>(start: () => Promise<T> | T): Promise<void>;
  notice(level: 'info' | 'warn', message: string): void;
  /** What to hand to `listen()` within {@link Seam.adopt}. */
  host: string;
  port: number;
  /** The listener leads to sockets that are bound already, whatever is asked for. */
  bound: boolean;
}

/** One kind of thing that people export. */
interface Adapter<T> {
  /** What it is called in the log. */
  name: string;
  matches(value: unknown): boolean;
  /** @param file  the application's module, from where its own packages are resolved */
  serve(value: T, seam: Seam, file: string): Promise<void>;
}

const adapter = <T>(row: Adapter<T>): Adapter<unknown> => row as Adapter<unknown>;
const withHandler = (handler: RequestListener, seam: Seam): Promise<void> => withServer(createServer(handler), seam);

function withServer(server: Server, seam: Seam): Promise<void> {
  return seam.adopt(async () => {
    // Even for an address Node loads its resolver first: 1 ms, from Node 22 on 4.
    if (seam.bound) server.listen(seam.port);
    else server.listen(seam.port, seam.host);
    if (!server.listening) await once(server, 'listening');
  });
}

/** Everything that can be served. The order matters: an Express application is a function with three parameters too. */
export const adapters: readonly Adapter<unknown>[] = [
  adapter<Server>({
    name: 'http.Server',
    matches: (value) => value instanceof Server,
    serve: async (server, seam) => {
      if (!server.listening) await withServer(server, seam);
    },
  }),
  adapter<{ listen(port: number, host: string): Promise<unknown> }>({
    name: 'NestJS',
    matches: (value) => hasMethods(value, 'getHttpServer', 'getHttpAdapter', 'init', 'listen'),
    serve: (app, seam) => seam.adopt(() => app.listen(seam.port, seam.host)),
  }),
  adapter<{ server: Server; listen(options: { port: number; host: string }): Promise<unknown> }>({
    name: 'Fastify',
    matches: (value) =>
      hasMethods(value, 'ready', 'listen', 'addHook', 'inject') && isObject(value) && 'server' in value,
    serve: async (app, seam) => {
      if (!app.server.listening) await seam.adopt(() => app.listen({ port: seam.port, host: seam.host }));
    },
  }),
  adapter<{ listener: Server; start(): Promise<unknown> }>({
    name: 'Hapi',
    matches: (value) =>
      hasMethods(value, 'start', 'stop', 'route', 'inject') && isObject(value) && value.listener instanceof Server,
    serve: async (server, seam) => {
      await seam.adopt(() => server.start());
      if (!server.listener.listening) await withServer(server.listener, seam); // it was made with autoListen: false
    },
  }),
  adapter<{ callback(): RequestListener }>({
    name: 'Koa',
    matches: (value) => hasMethods(value, 'callback', 'use') && isObject(value) && Array.isArray(value.middleware),
    serve: (app, seam) => withHandler(app.callback(), seam),
  }),
  adapter<RequestListener>({
    name: 'Express',
    matches: (value) => typeof value === 'function' && hasMethods(value, 'handle', 'use', 'listen', 'set'),
    serve: withHandler,
  }),
  adapter<RequestListener>({
    name: 'Connect',
    matches: (value) => typeof value === 'function' && hasMethods(value, 'handle', 'use', 'listen'),
    serve: withHandler,
  }),
  adapter<{ handler: RequestListener }>({
    name: 'Polka',
    matches: (value) => hasMethods(value, 'handler', 'listen', 'use', 'find'),
    serve: (app, seam) => withHandler(app.handler, seam),
  }),
  adapter<FetchApplication>({
    name: 'fetch',
    matches: (value) => hasMethods(value, 'fetch'),
    serve: async (app, seam) => withHandler(await fetchListener(app), seam),
  }),
  adapter<{ handler: unknown }>({
    name: 'H3',
    matches: (value) => hasMethods(value, 'handler', 'use') && isObject(value) && Array.isArray(value.stack),
    serve: async (app, seam, file) => {
      const h3 = await import(pathToFileURL(createRequire(file).resolve('h3')).href);
      await withHandler(h3.toNodeListener(app), seam);
    },
  }),
  adapter<RequestListener>({
    name: 'handler',
    matches: (value) => typeof value === 'function' && value.length >= 2 && misfit(value) === undefined,
    serve: withHandler,
  }),
];

/** The row of the table that can serve the value. */
export function adapterFor(value: unknown): Adapter<unknown> | undefined {
  return adapters.find((row) => row.matches(value));
}

const works =
  'a (req, res) function; an Express, Connect, Koa, Hapi, Fastify, NestJS, Polka or H3 application; an http.Server; ' +
  'an object with fetch(request), such as a Hono application; or a function without parameters that returns one of these';

/** Why a value cannot be served and what could be instead, as the end of a sentence that names the value. */
export function refusal(value: unknown): string {
  return `${describe(value)}: ${misfit(value) ?? `not something tsgun can serve; it serves ${works}`}`;
}

/** Things that come near, each with what its author probably meant. */
function misfit(value: unknown): string | undefined {
  if (typeof value !== 'function') return undefined;
  if (isClass(value)) return 'export an instance, or a function that makes one';
  if (hasMethods(value, 'handle', 'use'))
    return 'an Express Router is served as part of an application: export express().use(router)';
  if (
    Object.getOwnPropertySymbols(value).some((symbol) => fastifyPlugin.has(symbol)) ||
    /^[^(]*\(\s*fastify\b/.test(String(value))
  ) {
    return 'it looks like a Fastify plugin: export a Fastify instance, or a function without parameters that returns one';
  }
  if (value.length === 1) return 'a (request) => Response function is served as an object: export default { fetch }';
  return undefined;
}

const fastifyPlugin = new Set(['skip-override', 'fastify.display-name', 'plugin-meta'].map((name) => Symbol.for(name)));

/** What the value is, for a person: `an object with keys a, b, c`. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'function' && isClass(value)) return `class ${value.name || '(anonymous)'}`;
  if (typeof value === 'function') return `a function with ${value.length} parameter${value.length === 1 ? '' : 's'}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  const keys = Object.keys(value);
  const maker: unknown = value.constructor;
  const article =
    typeof maker === 'function' && maker !== Object && maker.name ? `an instance of ${maker.name}` : 'an object';
  if (keys.length === 0) return `${article} without keys`;
  return `${article} with key${keys.length === 1 ? '' : 's'} ${keys.slice(0, 8).join(', ')}${keys.length > 8 ? ', …' : ''}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function hasMethods(value: unknown, ...names: string[]): boolean {
  return isObject(value) && names.every((name) => typeof value[name] === 'function');
}

/** Whether the value is a class, which looks like a function without parameters. */
export function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}
