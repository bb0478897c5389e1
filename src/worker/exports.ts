import { Server } from 'node:net';
import { nearest } from '../config/nearest.ts';
import type { AppSpec } from '../shared/protocol.ts';
import { adapterFor, isClass } from './adapters.ts';
import { LoadFailure } from './failure.ts';

/** An export, and what it is called in a message. */
export interface Found {
  label: string;
  value: unknown;
}

type Exports = Record<string, unknown>;

const usualNames = ['default', 'app', 'server', 'handler', 'application'];

/** The exports that may be the application, the likeliest first. */
export function candidates(exported: unknown): Found[] {
  if (!isObject(exported)) return exported === undefined ? [] : [{ label: 'module.exports', value: exported }];
  const found: Found[] = [];
  const modular = isModule(exported);
  const empty =
    typeof exported === 'object' &&
    Object.getPrototypeOf(exported) === Object.prototype &&
    Object.keys(exported).length === 0;
  if (!modular && !empty) found.push({ label: 'module.exports', value: exported });
  for (const name of usualNames) if (name in exported) found.push(named(exported, name));
  if (modular && typeof exported.fetch === 'function')
    found.push({ label: 'its export fetch', value: { fetch: exported.fetch } });
  return found;
}

/**
 * The export that is to be served: the one that was asked for, else the first usual one that looks like an application.
 * When none does, the likeliest one, for the message; when nothing usual is exported, undefined.
 * @throws LoadFailure  'notFound', when there is no export of the name that was asked for
 */
export function choose(spec: AppSpec, name: string, exported: unknown): Found | undefined {
  if (spec.exportName === undefined) {
    const found = candidates(exported);
    const likely = found.find(({ value }) => adapterFor(value) || isFactory(value) || isPromise(value));
    if (likely) return likely;
    const hasFunctions =
      typeof exported === 'object' && Object.values(exported ?? {}).some((value) => typeof value === 'function');
    return found.length === 1 && found[0]!.value === exported && hasFunctions ? undefined : found[0];
  }
  const wanted = spec.exportName;
  const holder = isObject(exported) ? exported : {};
  if (wanted in holder) return named(holder, wanted);
  if (wanted === 'default' && !isModule(holder)) return { label: 'module.exports', value: exported };
  const inner = isObject(holder.default) ? holder.default : {};
  if (wanted in inner && !isModule(exported)) return named(inner, wanted);
  const existing = exportNames(exported);
  const near = nearest(wanted, existing);
  const has = existing.length === 0 ? 'it exports nothing' : `it exports ${existing.slice(0, 8).join(', ')}`;
  throw new LoadFailure({
    code: 'notFound',
    message: `${name} has no export ${wanted}; ${near === undefined ? has : `${has}; did you mean ${near}?`}`,
  });
}

/** Why a module without any of the usual exports is not served, or undefined when it exports nothing at all. */
export function unusual(name: string, exported: unknown): string | undefined {
  const [first, ...more] = exportNames(exported);
  if (first === undefined) return undefined;
  const usual = [...usualNames, 'fetch'].join(', ');
  const has = [first, ...more.slice(0, 7)].join(', ');
  return `${name} exports ${has}, but none of ${usual}; say which to serve: ${name}:${first}`;
}

function exportNames(exported: unknown): string[] {
  return isObject(exported) ? Object.keys(exported).filter((key) => key !== 'module.exports') : [];
}

/** Whether the value is to be called without arguments, and what it returns to be served. */
export function isFactory(value: unknown): value is () => unknown {
  return typeof value === 'function' && value.length === 0 && !isClass(value) && adapterFor(value) === undefined;
}

/** Whether the value is, or has as its `server`, a server that listens: then it is the listener, and not ignored. */
export function isListening(value: unknown): boolean {
  if (!isObject(value)) return false;
  return [value, value.server, value.listener].some((each) => each instanceof Server && each.listening);
}

/** An export by name; one that a compiler wrapped (`exports.default` of a module with `__esModule`) is unwrapped. */
function named(exported: Exports, name: string): Found {
  const value = exported[name];
  const unwrapped =
    name === 'default' && isObject(value) && value.__esModule === true && 'default' in value ? value.default : value;
  return { label: name === 'default' ? 'its default export' : `its export ${name}`, value: unwrapped };
}

/** An ES module, or one that was compiled to CommonJS. */
function isModule(exported: unknown): boolean {
  if (!isObject(exported)) return false;
  return Object.prototype.toString.call(exported) === '[object Module]' || exported.__esModule === true;
}

function isPromise(value: unknown): boolean {
  return isObject(value) && typeof value.then === 'function';
}

function isObject(value: unknown): value is Exports {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
