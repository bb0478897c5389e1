import { existsSync, realpathSync } from 'node:fs';
import type { Resolved } from '../config/load.ts';
import type { ListenerInfo } from '../shared/protocol.ts';
import type { State } from '../supervise/model.ts';

/** What workers of a generation are made from: directory, configuration, environment, and the sockets bound for it. */
export interface Generation {
  resolved: Resolved;
  explicit: ListenerInfo[];
}

/**
 * What a worker is spawned from now: by the path that the user knows as long as that leads where it led when the generation
 * was made, else by the directory itself, so that a replacement does not run code that has not proved itself. Where that
 * directory is gone, there is no other code.
 */
export function whereItWas(resolved: Resolved): Resolved {
  const { cwd, directory, config } = resolved;
  if (directory === cwd || leadsTo(cwd) === directory || !existsSync(directory)) return resolved;
  const { app } = config;
  const file = app.file.startsWith(`${cwd}/`) ? directory + app.file.slice(cwd.length) : app.file;
  return { ...resolved, cwd: directory, config: { ...config, app: { ...app, file } } };
}

function leadsTo(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** The generations that are, or may be, of use. */
export class Generations {
  readonly #all = new Map<number, Generation>();
  #newest = 1;

  constructor(first: Resolved) {
    this.#all.set(1, { resolved: first, explicit: [] });
  }

  get(number: number): Generation {
    return this.#all.get(number)!;
  }

  /** The sockets of a generation were bound. */
  bound(number: number, explicit: ListenerInfo[]): void {
    this.get(number).explicit = explicit;
  }

  /** @returns the number of the new generation */
  add(resolved: Resolved, explicit: ListenerInfo[]): number {
    this.#newest++;
    this.#all.set(this.#newest, { resolved, explicit });
    return this.#newest;
  }

  /**
   * Forgets those that nothing is spawned from any more, and no worker is of.
   * @returns whether there were any
   */
  forget({ goal, rollout, workers }: State): boolean {
    const used = new Set([goal.generation, rollout?.generation, ...workers.map(({ generation }) => generation)]);
    const unused = [...this.#all.keys()].filter((number) => !used.has(number));
    for (const number of unused) this.#all.delete(number);
    return unused.length > 0;
  }

  /** The sockets that some generation has. */
  get listeners(): ReadonlySet<number> {
    return new Set([...this.#all.values()].flatMap(({ explicit }) => explicit.map(({ id }) => id)));
  }
}
