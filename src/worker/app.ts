import { Module } from 'node:module';
import { relative } from 'node:path';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { AppSpec, BootFailure } from '../shared/protocol.ts';
import { adapterFor, describe, refusal, type Seam } from './adapters.ts';
import { candidates, choose, type Found, isFactory, isListening, unusual } from './exports.ts';
import { LoadFailure, reportableError, watchForFailure } from './failure.ts';
import { resolveModule } from './resolve.ts';
import { locateSyntaxError } from './syntax.ts';
import { prepareTypeScript, typeScriptHint } from './typescript.ts';

export { LoadFailure, reportableError, watchForFailure };

/** What became of the application's module. */
export interface Loaded {
  /** A row's name of the table of adapters, or 'program': it listens, or may yet listen, by itself. */
  kind: string;
  /** Why its export is not served, for the case that it never listens. */
  unserved?: BootFailure;
}

/** Awaits a part of the boot; what it throws, and what nobody catches meanwhile, becomes a LoadFailure. */
type Guard = <T>(doing: string, work: Promise<T>) => Promise<T>;

/**
 * Runs the application's file as the main module and serves what it exports, unless it listens by itself. Errors that
 * nobody catches belong to this call until it settles; {@link watchForFailure} carries on from there.
 * @param spec  the file and what to take from it
 * @param argv  the application's process.argv from index 2
 * @throws LoadFailure  'notFound' for a missing file or export and for what cannot be served; 'bind' when its listen()
 *   fails; 'boot' for all else that throws
 */
export async function loadApplication(spec: AppSpec, argv: string[], seam: Seam): Promise<Loaded> {
  const file = resolveModule(spec.file);
  const name = displayName(file);
  const watch = watchForFailure();
  const guard: Guard = (doing, work) =>
    Promise.race([work, watch.failed]).catch((error) => {
      throw bootFailure(file, `${name} ${doing}`, error);
    });
  await guard('cannot be compiled', prepareTypeScript(file));
  process.argv = [process.execPath, file, ...argv];
  const exported = await guard('failed to load', runAsMain(file));
  await guard('failed in its first turn', turnOfTheLoop());
  const loaded = await serveExport(spec, file, exported, seam, guard);
  watch.release();
  return loaded;
}

/**
 * Runs a file as the main module and gives its exports: `require.main === module` holds, and `import.meta.main` where
 * Node has it. A CommonJS module is not imported a second time, which would cost the start of the ESM loader.
 */
async function runAsMain(file: string): Promise<unknown> {
  const host = process as { mainModule?: NodeJS.Module | undefined };
  host.mainModule = undefined; // tsgun's own; for an ES module it stays undefined, as in bare Node
  (Module as unknown as { runMain(main: string): void }).runMain(file);
  const main = host.mainModule as NodeJS.Module | undefined;
  return main ? main.exports : import(pathToFileURL(file).href);
}

async function serveExport(spec: AppSpec, file: string, exported: unknown, seam: Seam, guard: Guard): Promise<Loaded> {
  const name = displayName(file);
  if (seam.hasListened()) {
    const ignored = candidates(exported).find(({ value }) => adapterFor(value) && !isListening(value));
    if (ignored) seam.notice('info', `${name} has listened by itself; ${ignored.label} is ignored`);
    return { kind: 'program' };
  }
  const chosen = choose(spec, name, exported);
  if (chosen === undefined) {
    const message = unusual(name, exported);
    return message === undefined ? { kind: 'program' } : { kind: 'program', unserved: { code: 'notFound', message } };
  }
  const made = await settle(spec, name, chosen, guard);
  if (seam.hasListened()) return { kind: 'program' };

  const row = adapterFor(made.value) ?? (made.byFactory ? adapterFor(asHandler(made.value)) : undefined);
  if (row) {
    await guard(`cannot be served as ${row.name}`, row.serve(made.value, seam, file));
    return { kind: row.name };
  }
  const failure = new LoadFailure({ code: 'notFound', message: `${name}: ${made.label} is ${refusal(made.value)}` });
  // Nothing servable, but it may be a program that is still on its way to listen(), unless an export was asked for.
  if (spec.exportName === undefined || (made.byFactory && made.value === undefined)) {
    return { kind: 'program', unserved: failure.failure };
  }
  throw failure;
}

/** Calls the export when it is a factory, and awaits it when it is a promise. */
async function settle(
  spec: AppSpec,
  name: string,
  found: Found,
  guard: Guard,
): Promise<Found & { byFactory: boolean }> {
  const { label, value } = found;
  if (spec.factoryArgs ? typeof value === 'function' : isFactory(value)) {
    const made = await guard(`failed: ${label}, called as a factory, threw`, call(value as Factory, spec.factoryArgs));
    return { label: `what ${label} returned`, value: made, byFactory: true };
  }
  if (spec.factoryArgs) {
    throw new LoadFailure({
      code: 'notFound',
      message: `${name}: ${label} is ${describe(value)}, which cannot be called`,
    });
  }
  if (isThenable(value) && !adapterFor(value)) {
    return {
      label: `what ${label} resolved to`,
      value: await guard(`failed: ${label} was rejected`, Promise.resolve(value)),
      byFactory: false,
    };
  }
  return { ...found, byFactory: false };
}

type Factory = (...args: unknown[]) => unknown;

async function call(factory: Factory, args: unknown[] = []): Promise<unknown> {
  return factory(...args);
}

/** A factory's `(...args) => …` has no parameters that could be counted, and is not called as a factory again. */
function asHandler(value: unknown): unknown {
  return isFactory(value) ? (_req: unknown, _res: unknown) => value : undefined;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

function bootFailure(file: string, what: string, error: unknown): LoadFailure {
  if (error instanceof LoadFailure) return error;
  const { summary, stack } = reportableError(error);
  const hint = typeScriptHint(error);
  const location = error instanceof SyntaxError ? locateSyntaxError(file, stack) : undefined;
  return new LoadFailure(
    {
      code: isListenError(error) ? 'bind' : 'boot',
      message: `${what}: ${summary}${hint === undefined ? '' : `; hint: ${hint}`}`,
      stack: location === undefined ? stack : `${location}\n${stack}`,
    },
    { cause: error },
  );
}

function isListenError(error: unknown): boolean {
  const syscall = (error as { syscall?: unknown } | null)?.syscall;
  return syscall === 'listen' || syscall === 'bind';
}

function displayName(file: string): string {
  const name = relative(process.cwd(), file);
  return name.startsWith('..') ? file : name;
}
