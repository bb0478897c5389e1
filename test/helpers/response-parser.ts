/** An incremental parser of HTTP/1.1 answers that knows where each one begins and ends, for pipelining and cut answers. */
export interface Answer {
  status: number;
  reason: string;
  /** Names in lower case; values of repeated fields are joined by ', ', but see `setCookie`. */
  headers: Record<string, string>;
  setCookie: string[];
  body: string;
  /** False when the server said that the connection ends with this answer. */
  keepAlive: boolean;
}

interface Unfinished extends Answer {
  chunks: Buffer[];
  /** Bytes of the body (or of the present chunk) still to come; undefined: until the connection ends. */
  left: number | undefined;
}

type State = 'head' | 'body' | 'chunkSize' | 'chunkData' | 'chunkEnd' | 'trailers';

export class ResponseParser {
  readonly #onAnswer: (answer: Answer) => void;
  readonly #methods: string[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #state: State = 'head';
  #answer: Unfinished | undefined;

  constructor(onAnswer: (answer: Answer) => void) {
    this.#onAnswer = onAnswer;
  }

  /** Says which method the next unanswered request has: an answer to HEAD has no body. */
  expect(method: string): void {
    this.#methods.push(method);
  }

  /** True when part of an answer has arrived. */
  get midway(): boolean {
    return this.#answer !== undefined || this.#buffer.length > 0;
  }

  /** The head of the answer that is being received, once it is complete. */
  get partial(): Readonly<Answer> | undefined {
    if (this.#answer === undefined) return undefined;
    return { ...this.#answer, body: Buffer.concat(this.#answer.chunks).toString() };
  }

  /** @throws Error when the bytes are no HTTP */
  feed(data: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? data : Buffer.concat([this.#buffer, data]);
    while (this.#advance());
  }

  /** The connection has ended. Returns false when that cut an answer short. */
  end(): boolean {
    if (this.#answer !== undefined && this.#state === 'body' && this.#answer.left === undefined) this.#finish();
    return !this.midway;
  }

  #advance(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#head();
      case 'body':
      case 'chunkData':
        return this.#data();
      case 'chunkSize': {
        const line = this.#line();
        if (line === undefined) return false;
        const size = Number.parseInt(line, 16);
        if (!/^[0-9a-f]+/i.test(line)) throw new Error(`bad chunk size ${JSON.stringify(line)}`);
        (this.#answer as Unfinished).left = size;
        this.#state = size === 0 ? 'trailers' : 'chunkData';
        return true;
      }
      case 'chunkEnd': {
        const line = this.#line();
        if (line === undefined) return false;
        if (line !== '') throw new Error(`a chunk is longer than announced: ${JSON.stringify(line)}`);
        this.#state = 'chunkSize';
        return true;
      }
      case 'trailers': {
        const line = this.#line();
        if (line === undefined) return false;
        if (line === '') this.#finish();
        return true;
      }
    }
  }

  #line(): string | undefined {
    const end = this.#buffer.indexOf('\r\n');
    if (end < 0) return undefined;
    const line = this.#buffer.toString('latin1', 0, end);
    this.#buffer = this.#buffer.subarray(end + 2);
    return line;
  }

  #head(): boolean {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#buffer.length > 4 && !this.#buffer.toString('latin1', 0, 5).startsWith('HTTP/')) this.#noHttp();
      return false;
    }
    const [first = '', ...lines] = this.#buffer.toString('latin1', 0, end).split('\r\n');
    const match = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/.exec(first);
    if (match === null) this.#noHttp();
    this.#buffer = this.#buffer.subarray(end + 4);
    const status = Number(match[2]);
    if (status >= 100 && status < 200 && status !== 101) return true; // 100 and 103 come before the answer
    this.#answer = {
      status,
      reason: match[3] ?? '',
      ...fields(lines),
      body: '',
      keepAlive: true,
      chunks: [],
      left: undefined,
    };
    this.#plan(this.#answer, match[1] === '1', this.#methods.shift() ?? 'GET');
    return true;
  }

  #plan(answer: Unfinished, http11: boolean, method: string): void {
    const { connection = '', 'content-length': length, 'transfer-encoding': encoding = '' } = answer.headers;
    const tokens = connection.toLowerCase().split(/\s*,\s*/);
    answer.keepAlive = answer.status !== 101 && (http11 ? !tokens.includes('close') : tokens.includes('keep-alive'));
    this.#state = 'body';
    if (method === 'HEAD' || answer.status === 101 || answer.status === 204 || answer.status === 304) answer.left = 0;
    else if (/chunked/i.test(encoding)) this.#state = 'chunkSize';
    else if (length !== undefined) answer.left = Number(length);
    else answer.keepAlive = false; // the end of the connection is the end of the body
    if (this.#state === 'body' && answer.left === 0) this.#finish();
  }

  #data(): boolean {
    const answer = this.#answer as Unfinished;
    const wanted = Math.min(answer.left ?? Number.POSITIVE_INFINITY, this.#buffer.length);
    if (wanted === 0) return false;
    answer.chunks.push(this.#buffer.subarray(0, wanted));
    this.#buffer = this.#buffer.subarray(wanted);
    if (answer.left === undefined) return false;
    answer.left -= wanted;
    if (answer.left > 0) return false;
    if (this.#state === 'chunkData') this.#state = 'chunkEnd';
    else this.#finish();
    return true;
  }

  #finish(): void {
    const { chunks, left: _, ...answer } = this.#answer as Unfinished;
    this.#answer = undefined;
    this.#state = 'head';
    this.#onAnswer({ ...answer, body: Buffer.concat(chunks).toString() });
  }

  #noHttp(): never {
    throw new Error(`no HTTP answer: ${JSON.stringify(this.#buffer.toString('latin1', 0, 80))}`);
  }
}

function fields(lines: string[]): { headers: Record<string, string>; setCookie: string[] } {
  const headers: Record<string, string> = {};
  const setCookie: string[] = [];
  for (const line of lines) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    const value = line.slice(line.indexOf(':') + 1).trim();
    if (name === 'set-cookie') setCookie.push(value);
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { headers, setCookie };
}
