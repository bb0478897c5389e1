/** A running program: what it says, what belongs to it, and how it is put away. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, get, type RequestOptions, type Target } from './http.ts';
import { Journal, type LogRecord, type Mark } from './journal.ts';
import { alive, commandLine, marked } from './proc.ts';

/** In the environment of everything that a test starts, so that what is left over can be found. */
export const MARKER = 'TSGUN_TEST_RUN';

export interface WaitOptions {
  timeoutMs?: number;
  /** Look only at what was said after this mark. */
  since?: Mark;
  /** The how-manieth match; default 1. */
  count?: number;
}

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class Tsgun {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly exit: Promise<Exit>;
  readonly marker: string;
  /** Undefined while it runs. */
  ended: Exit | undefined;
  readonly #journal = new Journal();
  #stdout = '';

  constructor(child: ChildProcess, marker: string, reads: boolean) {
    if (child.pid === undefined) throw new Error('the program could not be spawned');
    this.child = child;
    this.pid = child.pid;
    this.marker = marker;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    if (reads) child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#journal.add(text));
    this.exit = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => {
        this.ended = { code, signal };
        // What is still in the pipe is read before the end is told; a worker that outlives its master, or a new master,
        // may keep it open, and have something to say.
        const late = setTimeout(resolve, 1000, { code, signal });
        child.once('close', () => {
          clearTimeout(late);
          this.#journal.end();
          resolve({ code, signal });
        });
      });
    });
  }

  stdout(): string {
    return this.#stdout;
  }

  stderr(): string {
    return this.#journal.text;
  }

  /** The lines of standard error that are JSON objects. */
  records(event?: string): LogRecord[] {
    return event === undefined
      ? [...this.#journal.records]
      : this.#journal.records.filter((one) => one.event === event);
  }

  /** The present end of the log, for `since`. */
  mark(): Mark {
    return this.#journal.mark();
  }

  /**
   * Waits for a record (by event name or predicate) or for text on standard error. Rejects with all that was captured
   * when it does not come in time (15 s), or when the process has ended without it.
   */
  async waitFor(what: string | ((record: LogRecord) => boolean), options?: WaitOptions): Promise<LogRecord>;
  async waitFor(what: RegExp, options?: WaitOptions): Promise<RegExpExecArray>;
  async waitFor(what: string | RegExp | ((record: LogRecord) => boolean), options: WaitOptions = {}) {
    const { timeoutMs = 15_000, since = { record: 0, offset: 0 }, count = 1 } = options;
    const wanted = typeof what === 'string' ? (record: LogRecord) => record.event === what : what;
    const found = await this.#journal.wait(wanted, since, count, timeoutMs);
    if (typeof found === 'object') return found;
    const times = count > 1 ? `${count} times ` : '';
    const why =
      found === 'ended' ? `the program ended (${describeExit(this.ended)})` : `it did not come in ${timeoutMs} ms`;
    throw new Error(`waited ${times}for ${what}: ${why}\n${this.captured()}`);
  }

  /** Waits until it listens and this many workers serve. */
  async ready(workers = 1, timeoutMs = 20_000): Promise<this> {
    await this.waitFor('listening', { timeoutMs });
    await this.waitFor(() => this.workers().length >= workers, { timeoutMs });
    return this;
  }

  /** The first address it listens on: `127.0.0.1:41234` or `unix:/path`. */
  get address(): string {
    return this.addresses()[0] ?? this.#notYet();
  }

  addresses(): string[] {
    return this.records('listening').map((record) => String(record.address));
  }

  /** The first TCP address as a URL. */
  url(path = ''): string {
    const tcp = this.addresses().find((address) => !address.startsWith('unix:')) ?? this.#notYet();
    return `http://${tcp}${path}`;
  }

  #notYet(): never {
    throw new Error(`it does not listen yet\n${this.captured()}`);
  }

  /** Pids of the workers that serve, by what the log has said so far; oldest first. */
  workers(): number[] {
    const serving = new Set<number>();
    for (const record of this.#journal.records) {
      if (typeof record.pid !== 'number' || record.worker === undefined) continue;
      if (record.event === 'serving') serving.add(record.pid);
      else if (['exited', 'drain', 'kill', 'leaving'].includes(String(record.event))) serving.delete(record.pid);
    }
    return [...serving];
  }

  /** All living processes that descend from the start, the master included, whoever their parent is now. */
  family(): number[] {
    return marked(MARKER, this.marker);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** The signal to the whole process group, as a terminal or `systemctl kill` sends it. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
  }

  /** A request on a connection of its own to the first address. */
  get(path = '/', options?: RequestOptions): Promise<Answer> {
    return get(this.target, path, options);
  }

  get target(): Target {
    return this.address;
  }

  /** TERM, and KILL to everything when it has not ended after `timeoutMs`. */
  async stop(timeoutMs = 10_000): Promise<Exit> {
    if (this.ended === undefined) this.signal('SIGTERM');
    const ended = await this.#endsWithin(timeoutMs);
    if (!ended) this.killAll();
    return this.exit;
  }

  async #endsWithin(timeoutMs: number): Promise<boolean> {
    const timer = new AbortController();
    const late = sleep(timeoutMs, false, { signal: timer.signal }).catch(() => false);
    const ended = await Promise.race([this.exit.then(() => true), late]);
    timer.abort();
    return ended;
  }

  killAll(): void {
    for (const pid of new Set([this.pid, ...this.family()])) {
      if (pid === this.pid && this.ended !== undefined) continue; // the number may be somebody else's by now
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone in the meantime
      }
    }
  }

  captured(): string {
    const out = this.#stdout === '' ? '' : `--- stdout of ${this.pid}\n${this.#stdout}\n`;
    return `${out}--- stderr of ${this.pid}, ${describeExit(this.ended)}\n${this.stderr()}---\n`;
  }

  /** Ends what still runs; throws when it cannot be stopped, or when descendants outlive their master. */
  async clean(failed: boolean, patienceMs = 8000): Promise<string> {
    let complaint = '';
    if (this.ended === undefined) {
      for (const signal of ['SIGCONT', 'SIGQUIT'] as const) if (alive(this.pid)) this.signal(signal);
      if (!(await this.#endsWithin(patienceMs)))
        complaint = `the program did not end within ${patienceMs} ms of SIGQUIT`;
    }
    if (complaint === '') {
      for (const deadline = Date.now() + patienceMs / 3; this.family().length > 0 && Date.now() < deadline; )
        await sleep(25);
      const left = this.family().map((pid) => `${pid} (${commandLine(pid)})`);
      if (left.length > 0) complaint = `the master has exited, but these are left: ${left.join(', ')}`;
    }
    this.killAll();
    if (complaint !== '' && !failed) throw new Error(`${complaint}\n${this.captured()}`);
    return failed ? `${complaint}\n${this.captured()}` : '';
  }
}

function describeExit(exit: Exit | undefined): string {
  if (exit === undefined) return 'still running';
  return exit.signal === null ? `exit code ${exit.code}` : `ended by ${exit.signal}`;
}
