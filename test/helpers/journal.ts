/** What a program has said on standard error, and waiting for more of it. */
export interface LogRecord {
  event?: string;
  level?: string;
  msg?: string;
  worker?: number;
  slot?: number;
  pid?: number;
  generation?: number;
  cause?: string;
  [field: string]: unknown;
}

/** A place in the log. */
export interface Mark {
  record: number;
  offset: number;
}

type Wanted = RegExp | ((record: LogRecord) => boolean);

export class Journal {
  text = '';
  readonly records: LogRecord[] = [];
  #unfinished = '';
  #ended = false;
  readonly #waiting = new Set<() => void>();

  add(chunk: string): void {
    this.text += chunk;
    const lines = (this.#unfinished + chunk).split('\n');
    this.#unfinished = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
    for (const look of this.#waiting) look();
  }

  /** Nothing more will come. */
  end(): void {
    this.#ended = true;
    for (const look of this.#waiting) look();
  }

  mark(): Mark {
    return { record: this.records.length, offset: this.text.length };
  }

  #line(line: string): void {
    if (!line.startsWith('{')) return;
    try {
      this.records.push(JSON.parse(line) as LogRecord);
    } catch {
      // an application may write what it likes
    }
  }

  /** The `count`-th match after the mark; 'late' after `timeoutMs`, 'ended' when the log ends without it. */
  wait(
    wanted: Wanted,
    since: Mark,
    count: number,
    timeoutMs: number,
  ): Promise<LogRecord | RegExpExecArray | 'late' | 'ended'> {
    return new Promise((resolve) => {
      const settle = (result: LogRecord | RegExpExecArray | 'late' | 'ended') => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(result);
      };
      const look = () => {
        const found = this.#find(wanted, since, count);
        if (found !== undefined) settle(found);
        else if (this.#ended) settle('ended');
      };
      const timer = setTimeout(() => settle('late'), timeoutMs);
      this.#waiting.add(look);
      look();
    });
  }

  #find(wanted: Wanted, since: Mark, count: number): LogRecord | RegExpExecArray | undefined {
    if (typeof wanted === 'function') return this.records.slice(since.record).filter(wanted)[count - 1];
    const all = new RegExp(wanted.source, wanted.flags.includes('g') ? wanted.flags : `${wanted.flags}g`);
    return [...this.text.slice(since.offset).matchAll(all)][count - 1];
  }
}
