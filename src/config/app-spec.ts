import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AppSpec } from '../shared/protocol.ts';

const FORMS = 'FILE, FILE:NAME or FILE:NAME(ARGUMENTS)';

/**
 * Reads `app.js`, `app.js:name`, `app.js:create()` and `app.js:create(1, "x")`; the arguments are JSON literals.
 * A file whose own name has a colon wins. Whether the file exists is for the worker to find out.
 * @returns the specification with an absolute file, or a sentence that says what is wrong
 */
export function parseAppSpec(
  text: string,
  cwd: string,
  exists: (path: string) => boolean = existsSync,
): AppSpec | string {
  if (text === '') return `expected ${FORMS}, got an empty text`;
  const base = text.slice(text.lastIndexOf('/', text.indexOf('(') === -1 ? undefined : text.indexOf('(')) + 1);
  if (!base.includes(':') || exists(resolve(cwd, text))) return { file: resolve(cwd, text) };
  const [, file, exportName, call] = /^(.+?):([A-Za-z_$][\w$]*)(\(.*\))?$/s.exec(text) ?? [];
  if (file === undefined || exportName === undefined) return `expected ${FORMS}, got "${text}"`;
  const spec: AppSpec = { file: resolve(cwd, file), exportName };
  if (call === undefined) return spec;
  try {
    return { ...spec, factoryArgs: JSON.parse(`[${call.slice(1, -1)}]`) };
  } catch {
    return `the arguments of "${exportName}" have to be JSON, with strings in double quotes, got ${call}`;
  }
}
