/** What a new master knows of the old one that has started it, and says to it. */
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { TsgunError } from '../errors.ts';
import { eachLine } from '../shared/lines.ts';
import type { Fields, Level } from '../shared/log.ts';
import type { State } from '../supervise/model.ts';
import { fillsSlot } from '../supervise/slots.ts';
import { CHANNEL_FD, type FromNewMaster, type Handover, UPGRADE } from './handover.ts';
import { InheritedSockets } from './inherited.ts';

/** The old master, until it leaves everything to this one, or dies. */
export class Predecessor {
  readonly pid: number;
  readonly sockets: InheritedSockets;
  readonly #channel = new Socket({ fd: CHANNEL_FD });
  #isOver = false;
  #takeOver: (() => void) | undefined;
  #said: 'nothing' | 'first' | 'all' = 'nothing';
  #lastError: string | undefined;

  private constructor({ master, sockets }: Handover) {
    this.pid = master;
    this.sockets = new InheritedSockets(sockets);
    this.#channel.on('error', () => {}).on('close', () => this.#over());
    eachLine(this.#channel, () => this.#over());
    this.#channel.unref();
  }

  /**
   * Reads the environment, and takes out of it what is this master's alone.
   * @returns undefined when a person or a supervisor has started this master
   */
  static of(env: Record<string, string | undefined>): Predecessor | undefined {
    const text = env[UPGRADE];
    if (text === undefined) return undefined;
    delete env[UPGRADE];
    try {
      if (fstatSync(CHANNEL_FD).isSocket()) return new Predecessor(JSON.parse(text) as Handover);
    } catch {
      // Whatever it is, no master has written it for this process.
    }
    throw new TsgunError('usage', `${UPGRADE} is set by tsgun itself, when it upgrades`, 'unset it');
  }

  /** This master is in charge. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Is called once, when the old master has left everything to this one or is dead; at once if that is so already. */
  onTakeOver(takeOver: () => void): void {
    if (this.#isOver) takeOver();
    else this.#takeOver = takeOver;
  }

  /** Looks at a state of this master, and tells the old one how far it has come. */
  watch(state: State): void {
    const serving = state.workers.filter((worker) => worker.stage === 'serving' && fillsSlot(worker, state)).length;
    if (serving > 0 && this.#said === 'nothing') this.#say({ type: 'first' }, 'first');
    if (serving < state.goal.workers || state.goal.stop || this.#said === 'all') return;
    this.#say({ type: 'serving' }, 'all');
    if (this.#isOver) this.sockets.closeRest();
  }

  /** Every line of the log: the last error is what the old master will give as the reason. */
  heard(level: Level, message: string, { event }: Fields): void {
    if ((level === 'error' || level === 'fatal') && event !== 'stack') this.#lastError = message;
  }

  /** This master ends before it was in charge. */
  failed(reason = this.#lastError): void {
    if (reason !== undefined && !this.#isOver) this.#send({ type: 'failed', reason });
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#channel.destroy();
    this.#takeOver?.();
    if (this.#said === 'all') this.sockets.closeRest();
  }

  #say(message: FromNewMaster, said: 'first' | 'all'): void {
    this.#said = said;
    if (!this.#isOver) this.#send(message);
  }

  /** Synchronously: the process may be about to exit. */
  #send(message: FromNewMaster): void {
    try {
      writeSync(CHANNEL_FD, `${JSON.stringify(message)}\n`);
    } catch {
      // The old master is dead: the channel's end says so.
    }
  }
}
