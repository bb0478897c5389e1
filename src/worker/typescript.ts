import { createRequire, Module } from 'node:module';
import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LoadFailure } from './failure.ts';

const typescript = /\.([cm]?ts|tsx)$/;
const loaders = /(^|\s)(--import|--loader|--experimental-loader|--require|-r)[\s=]/;

/** Whether the file is TypeScript by its name. */
export function isTypeScript(file: string): boolean {
  return typescript.test(file);
}

/**
 * Makes TypeScript loadable, when the file is TypeScript: Node strips types by itself where it can; a loader that the
 * user named in NODE_OPTIONS goes first; else the project's own `tsx` is registered.
 * @throws LoadFailure  'boot', when there is none of these
 */
export async function prepareTypeScript(file: string): Promise<void> {
  if (!isTypeScript(file)) return;
  const node = process.features.typescript && !file.endsWith('.tsx');
  if (node || hasLoader()) return;
  let tsx: string;
  try {
    tsx = createRequire(file).resolve('tsx');
  } catch {
    throw new LoadFailure({
      code: 'boot',
      message: `${basename(file)} is TypeScript, and Node ${process.versions.node} does not run it by itself; install tsx in the project, use Node >= 22.18, or compile it first`,
    });
  }
  await import(pathToFileURL(tsx).href); // what `node --import tsx` loads
}

/**
 * What to do about TypeScript that Node's type stripping refuses, or undefined when the error is another one.
 * @param error  what the import threw
 */
export function typeScriptHint(error: unknown): string | undefined {
  switch ((error as { code?: unknown } | null)?.code) {
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return "Node only strips types, and enum, namespace and parameter properties need code: install tsx and set NODE_OPTIONS='--import tsx', or compile it first";
    case 'ERR_INVALID_TYPESCRIPT_SYNTAX':
      return "Node's type stripping cannot parse it (decorators need compiling)";
    case 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING':
      return 'Node does not strip types below node_modules: compile that package';
    default:
      return undefined;
  }
}

function hasLoader(): boolean {
  const extensions = (Module as unknown as { _extensions: Record<string, unknown> })._extensions;
  return '.ts' in extensions || loaders.test(`${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''} `);
}
