/**
 * `--verify PATH`: the worker asks itself for PATH before it reports that it has loaded. Nothing of it is repeated: code
 * that answers only at the second time has not proved itself.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import tls from 'node:tls';
import type { Boot, BootFailure } from '../shared/protocol.ts';
import type { Listening } from './faux-handle.ts';
import { errnoText } from './listen-errors.ts';
import { openPrivately } from './listen-privately.ts';
import { isHttp, isHttp2 } from './listen-server.ts';

/** So much earlier than the master, which kills, the worker gives up, which can say why; milliseconds. */
const MARGIN_MS = 250;

/** A worker that has taken nearly all of its time to load still asks; milliseconds. */
const SHORTEST_MS = 50;

/** How much of a bad answer is shown, characters. */
const SHOWN = 1000;

interface Answer {
  status: number;
  /** The beginning of it. */
  body: string;
}

/** Where and for what is asked; `signal` ends it. */
interface Question {
  port: number;
  path: string;
  secure: boolean;
  signal: AbortSignal;
}

/**
 * Asks the main server for a path, over the protocol that it speaks.
 * @returns why it has not proved itself, or nothing when the answer was 2xx or 3xx
 */
export async function verify(
  { path, bootTimeoutMs }: NonNullable<Boot['verify']>,
  main: Listening | undefined,
): Promise<BootFailure | undefined> {
  const failure = (what: string, stack?: string): BootFailure => {
    const message = `${what} (asked by --verify)`;
    return { code: 'boot', message, ...(stack ? { stack } : {}) };
  };
  if (!main) return failure(`GET ${path} cannot be asked: the application does not listen`);
  if (!isHttp(main.server)) return failure(`GET ${path} cannot be asked: the main server does not speak HTTP`);
  const door = openPrivately(main);
  if (typeof door === 'number') return failure(`GET ${path} cannot be asked: ${errnoText(door)}`);
  // Since the start of this process, which is the master's forking of it.
  const limitMs = Math.max(SHORTEST_MS, Math.floor(bootTimeoutMs - performance.now()) - MARGIN_MS);
  const signal = AbortSignal.timeout(limitMs);
  const question = { port: door.port, path, signal, secure: main.server instanceof tls.Server };
  try {
    const { status, body } = await (isHttp2(main.server) ? askHttp2(question) : askHttp1(question));
    if (status >= 200 && status < 400) return undefined;
    return failure(`GET ${path} answered ${status}`, body);
  } catch (error) {
    if (signal.aborted) {
      return failure(`GET ${path} was not answered within ${(limitMs / 1000).toFixed(1)} s, before --boot-timeout`);
    }
    return failure(`GET ${path} was not answered: ${(error as Error).message}`);
  } finally {
    door.close();
  }
}

async function askHttp1({ port, path, secure, signal }: Question): Promise<Answer> {
  const { request } = secure ? await import('node:https') : await import('node:http');
  const headers = { Host: 'localhost', 'User-Agent': 'tsgun-verify', Connection: 'close' };
  const tlsOptions = { rejectUnauthorized: false, servername: 'localhost' };
  const asked = request({ host: '127.0.0.1', port, path, headers, agent: false, signal, ...tlsOptions }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  asked.on('error', () => {}); // the response has it, too
  return { status: response.statusCode!, body: await beginning(response) };
}

async function askHttp2({ port, path, secure, signal }: Question): Promise<Answer> {
  const { connect } = await import('node:http2');
  const authority = `${secure ? 'https' : 'http'}://127.0.0.1:${port}`;
  const session = connect(authority, { rejectUnauthorized: false, servername: 'localhost' });
  const headers = { ':path': path, ':authority': 'localhost', 'user-agent': 'tsgun-verify' };
  try {
    const stream = session.request(headers, { signal });
    session.on('error', (error) => stream.destroy(error));
    const [head] = (await once(stream, 'response')) as [{ ':status': number }];
    return { status: head[':status'], body: await beginning(stream) };
  } finally {
    session.destroy();
  }
}

/** Reads to the end: an answer that breaks off is none. */
async function beginning(answer: Readable): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) if (text.length < SHOWN) text += chunk;
  return text.slice(0, SHOWN);
}
