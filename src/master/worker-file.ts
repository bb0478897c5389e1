/**
 * Which copy of tsgun a worker is started from. One that is installed below the application's own folder
 * (`current/node_modules/tsgun`) goes with its release: when `current` points elsewhere and the old release is deleted,
 * the running master's files are gone, and the new release has its own.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import { version } from '../config/version.ts';

/** A folder of tsgun, and the version that is there now; undefined: none is. */
export interface Copy {
  folder: string;
  version: string | undefined;
}

/** Where to start a worker from, or why that cannot be. */
export type Choice = { folder: string; warning?: string } | { error: string };

/** The running master. Its folder may be gone, or hold another version by now. */
interface Running {
  pid: number;
  version: string;
  copy: Copy;
}

/** The folder below `cwd` that lies there as `folder` lies below `startCwd`; undefined: it does not, or as everything does. */
export function sameFolderBelow(cwd: string, folder: string, startCwd: string): string | undefined {
  const place = relative(startCwd, folder);
  return startCwd === '/' || place === '..' || place.startsWith('../') ? undefined : join(cwd, place);
}

/**
 * Worker and master have to be of one version, since they speak with each other.
 * @param below  the copy in the working directory of the new worker, if the master came from such a place
 */
export function chooseCopy({ pid, version, copy: own }: Running, below: Copy | undefined): Choice {
  if (below?.version === version) return { folder: below.folder };
  const upgrade = `kill -USR2 ${pid} upgrades the master`;
  if (own.version === undefined) {
    const gone = `the files of the running tsgun ${version} are gone from ${own.folder}`;
    if (below?.version === undefined)
      return { error: `${gone}${below ? `, and there are none in ${below.folder}` : ''}` };
    return { error: `${gone}, and ${below.folder} has version ${below.version}; ${upgrade}` };
  }
  const other = below?.version === undefined ? own : below;
  const lacking = below && below.version === undefined ? `there is no tsgun in ${below.folder}` : undefined;
  const differs =
    other.version === version ? undefined : `${other.folder} has tsgun ${other.version}, not ${version}; ${upgrade}`;
  const reasons = [lacking, differs].filter((reason) => reason !== undefined);
  if (reasons.length === 0) return { folder: own.folder };
  return { folder: own.folder, warning: `workers are started from ${own.folder}: ${reasons.join('; ')}` };
}

/** This file is a part of `dist/cli` or `dist/chunks`. */
const OWN = join(__dirname, '..', '..');

let startCwd: string | undefined;

/**
 * The worker's entry file for a working directory. That of the first call counts as the one that tsgun was started in.
 * @throws Error in a person's words, when there is none
 */
export function workerFile(cwd: string, warn: (message: string) => void): string {
  if (startCwd === undefined) {
    startCwd = realFolder(cwd);
    return fileIn(OWN);
  }
  // Nothing can be started in a folder that is missing, and spawn says so.
  if (!existsSync(cwd)) return fileIn(OWN);
  const folder = sameFolderBelow(cwd, OWN, startCwd);
  const running = { pid: process.pid, version, copy: { folder: OWN, version: versionIn(OWN) } };
  const choice = chooseCopy(running, folder === undefined ? undefined : { folder, version: versionIn(folder) });
  if ('error' in choice) throw new Error(choice.error);
  if (choice.warning !== undefined) warn(choice.warning);
  return fileIn(choice.folder);
}

function fileIn(folder: string): string {
  return join(folder, 'dist', 'worker', 'main.cjs');
}

function versionIn(folder: string): string | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version?: unknown };
    return existsSync(fileIn(folder)) ? String(manifest.version) : undefined;
  } catch {
    return undefined;
  }
}

function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
