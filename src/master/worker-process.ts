import type { Worker as ClusterWorker } from 'node:cluster';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { eachLine } from '../shared/lines.ts';
import {
  type Answer,
  CMD,
  type Envelope,
  type FromWorker,
  QUESTION_FD,
  type Question,
  type ToWorker,
} from '../shared/protocol.ts';
import { takeEarlyWorker } from './early-worker.ts';
import { type Executable, forgetGhost, forkWorker } from './fork.ts';

/** What the process tells the master. */
export interface WorkerListener {
  message(message: FromWorker): void;
  question(question: Question): Promise<Answer>;
  /** A line on its standard error. */
  line(text: string): void;
  /** It has ended, or never began: then both are null and `detail` says why. */
  exited(code: number | null, signal: string | null, detail?: string): void;
}

/** How long the end of a dead worker's standard error is waited for, milliseconds: a grandchild may keep it open. */
const LAST_WORDS_MS = 100;

/** A worker's process: its channel, its questions, its last words. */
export class WorkerProcess {
  readonly #worker: ClusterWorker | undefined;
  #ended = false;

  /** Forks. A fork that fails is reported like a death, later. */
  constructor(executable: Executable, listener: WorkerListener) {
    const exited = (code: number | null, signal: string | null, detail?: string): void => {
      if (this.#ended) return;
      this.#ended = true;
      listener.exited(code, signal, detail);
    };
    const warn = (message: string): void => {
      setImmediate(listener.message, { type: 'notice', level: 'warn', message });
    };
    try {
      this.#worker = takeEarlyWorker(executable) ?? forkWorker(executable, warn);
    } catch (error) {
      setImmediate(exited, null, null, `could not be started: ${(error as Error).message}`);
      return;
    }
    this.#attach(this.#worker, executable.cwd, listener, exited);
  }

  get pid(): number | undefined {
    return this.#worker?.process.pid;
  }

  /** Sends an order. A worker that has gone meanwhile is told nothing: its exit is on the way. */
  send(order: ToWorker, handle?: unknown): void {
    const child = this.#worker?.process;
    if (!child?.connected) return;
    child.send({ ...order, cmd: CMD } as object, handle as Socket, {}, () => {});
  }

  kill(signal: NodeJS.Signals): void {
    this.#worker?.process.kill(signal);
  }

  #attach(worker: ClusterWorker, cwd: string, listener: WorkerListener, exited: WorkerListener['exited']): void {
    const child = worker.process;
    worker.on('error', () => {});
    child.on('error', (error) => {
      if (child.pid !== undefined) return;
      forgetGhost(worker);
      // The system names the program, whatever is missing.
      const why = existsSync(cwd) ? error.message : `its working directory ${cwd} does not exist`;
      exited(null, null, `could not be started: ${why}`);
    });
    child.on('internalMessage', (message: Envelope<FromWorker>) => {
      if (message.cmd === CMD) listener.message(message);
    });
    child.on('exit', (code, signal) => {
      const timer = setTimeout(exited, LAST_WORDS_MS, code, signal);
      child.on('close', () => {
        clearTimeout(timer);
        exited(code, signal);
      });
    });
    if (child.stderr) eachLine(child.stderr, (text) => listener.line(text));
    const questions = child.stdio[QUESTION_FD] as Socket | undefined;
    questions?.on('error', () => {});
    if (questions) answerQuestions(questions, listener);
  }
}

async function ask(listener: WorkerListener, line: string): Promise<Answer> {
  return listener.question(JSON.parse(line) as Question);
}

/** One JSON line each way; the worker blocks until its answer is there. */
function answerQuestions(socket: Socket, listener: WorkerListener): void {
  eachLine(socket, async (line) => {
    // Whatever an application writes to that descriptor, the master answers.
    const answer = await ask(listener, line).catch((): Answer => ({ errno: -constants.errno.EINVAL }));
    if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
  });
}
