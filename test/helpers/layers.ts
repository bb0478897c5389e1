/** Who may import whom in src/, as DESIGN has it: downward only. */
export interface SourceFile {
  /** Relative to src/, such as `master/run.ts`. */
  path: string;
  text: string;
}

interface Import {
  from: string;
  typeOnly: boolean;
}

const mayImport: Record<string, string[]> = {
  cli: ['cli', 'master', 'config', 'shared', 'errors'],
  master: ['master', 'supervise', 'config', 'shared', 'errors'],
  worker: ['worker', 'config', 'shared', 'errors'],
  config: ['config', 'shared', 'errors'],
  shared: ['shared', 'errors'],
  supervise: ['supervise'],
  errors: [],
  index: ['cli', 'master', 'config', 'shared', 'errors'],
};

/** Node calls that no manual promises, and the only files that may use them. */
const undocumented =
  /\b(_createServerHandle|_getServer|_setServerData|_getServerData|_handle|internalBinding)\b|process\.binding/;
const mayUseUndocumented = /^(master\/listeners|worker\/listen)[^/]*(\.ts$|\/)/;

export function withoutComments(text: string): string {
  const strings = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/;
  const token = new RegExp(`(${strings.source})|/\\*[^]*?\\*/|//[^\\n]*`, 'g');
  return text.replace(token, (_, string?: string) => string ?? ' ');
}

export function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const statement = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w$*{}\s,]+?\s+from\s+)?(['"])([^'"\n]+)\2/gm;
  const call = /\b(?:import|require)\s*\(\s*(['"])([^'"\n]+)\1/g;
  return [
    ...[...code.matchAll(statement)].map((match) => ({ from: match[3] as string, typeOnly: match[1] !== undefined })),
    ...[...code.matchAll(call)].map((match) => ({ from: match[2] as string, typeOnly: false })),
  ];
}

/** The first folder under src/, or the file's name. */
function layerOf(path: string): string {
  return (path.split('/')[0] as string).replace(/\.ts$/, '');
}

function resolve(file: string, from: string): string {
  return new URL(from, `file:///${file}`).pathname.slice(1);
}

/** Each breach of the layering in one line; none when all is well. */
export function breaches(files: SourceFile[], dependencies: string[]): string[] {
  const found: string[] = [];
  const users = new Map<string, Set<string>>();
  for (const { path, text } of files) {
    const layer = layerOf(path);
    const allowed = mayImport[layer];
    if (allowed === undefined) {
      found.push(`${path}: src/${layer} is no layer`);
      continue;
    }
    for (const { from, typeOnly } of importsOf(text)) {
      if (from.startsWith('.')) {
        const target = layerOf(resolve(path, from));
        if (target === 'package.json' && layer !== 'supervise') continue;
        const typesOfShared = layer === 'supervise' && target === 'shared' && typeOnly;
        if (!allowed.includes(target) && !typesOfShared)
          found.push(`${path}: ${layer} must not import ${target} (${from})`);
        if (!/\.(ts|json)$/.test(from)) found.push(`${path}: own files are imported with their extension (${from})`);
      } else if (layer === 'supervise') {
        found.push(`${path}: supervise is pure and must not import ${from}`);
      } else if (!from.startsWith('node:')) {
        const name = from.split('/', from.startsWith('@') ? 2 : 1).join('/');
        if (!dependencies.includes(name)) found.push(`${path}: ${name} is not among the dependencies`);
        users.set(name, (users.get(name) ?? new Set()).add(path));
      }
    }
    const call = undocumented.exec(withoutComments(text))?.[0];
    if (call !== undefined && !mayUseUndocumented.test(path)) found.push(`${path}: uses the undocumented ${call}`);
  }
  for (const [name, paths] of users) {
    if (paths.size > 1) found.push(`${name} is imported in ${paths.size} files: ${[...paths].join(', ')}`);
  }
  return found;
}
