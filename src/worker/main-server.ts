import type { Server } from 'node:net';
import type { Boot } from '../shared/protocol.ts';
import { formatSockName } from '../shared/sockname.ts';
import { notice } from './channel.ts';
import type { Listening } from './faux-handle.ts';
import { isHttp } from './listen-server.ts';

/** Which of a program's servers is the main one: the explicitly bound sockets lead to it. */
export class MainServer {
  current: Listening | undefined;
  /** What a main server asked for that was closed: it may listen again. */
  #port: number | undefined;
  /** The server that was made of an export. */
  #adopted: Listening | undefined;
  #adopting = false;
  #entryStarted = false;

  /** From now on a server that listens is the application's, not an instrumentation's. */
  entryStarts(): void {
    this.#entryStarted = true;
  }

  get entryStarted(): boolean {
    return this.#entryStarted;
  }

  /** Whatever HTTP server listens while `start` runs is the main one. */
  async adopt<T>(start: () => Promise<T> | T): Promise<void> {
    this.#adopting = true;
    try {
      await start();
    } finally {
      this.#adopting = false;
    }
  }

  /** Whether a server that begins to listen is it. */
  is(server: Server, port: number, { appPort }: Boot): boolean {
    if (this.current) return false;
    if (this.#adopting) return isHttp(server);
    if (!this.#entryStarted) return false;
    return appPort === undefined ? isHttp(server) : port === appPort || port === this.#port;
  }

  /** Whether a server that is not may yet turn out to be. */
  mayBecome(server: Server): boolean {
    return !this.current && this.#entryStarted && isHttp(server);
  }

  take(listening: Listening, explicit: Boot['explicit']): void {
    this.current = listening;
    if (this.#adopting) this.#adopted = listening;
    const { requestedPort: port, server } = listening;
    if (explicit.length === 0 || port <= 0 || this.#adopting || !isHttp(server)) return;
    const where = explicit.map(({ sockname }) => formatSockName(sockname)).join(', ');
    notice('info', `the server that asked for port ${port} is served on ${where}`);
  }

  /** It was closed. */
  leave(): void {
    this.#port = this.current?.requestedPort;
    this.current = undefined;
  }

  /**
   * A program that exports its application and calls listen() later, when its database is there, means its own listen():
   * the server that was made of the export gives up the sockets, and keeps the connections it has.
   * @returns the server that is the main one no more
   */
  yieldTo(server: Server, port: number, { appPort }: Boot): Listening | undefined {
    const main = this.current;
    if (!main || main !== this.#adopted || this.#adopting || !isHttp(server)) return undefined;
    const handlers = main.server.listeners('request');
    const same = server.listeners('request').some((handler) => handlers.includes(handler));
    if (!same && port !== appPort && !hasPort(main, port)) return undefined;
    notice('info', 'the application has listened by itself after all; its export is ignored');
    this.current = undefined;
    return main;
  }

  /**
   * Frameworks that listen on every address of localhost ask for the main server's port again: that would be a door
   * beside the one that was bound explicitly (Fastify, whose main server sits on a unix socket, asks for port 0).
   */
  isEcho(server: Server, port: number, explicit: Boot['explicit']): boolean {
    const main = this.current;
    if (!main || main.listeners !== explicit || !isHttp(server)) return false;
    return port === 0 || (port !== main.requestedPort && hasPort(main, port));
  }
}

function hasPort({ listeners }: Listening, port: number): boolean {
  return listeners.some(({ sockname }) => 'port' in sockname && sockname.port === port);
}
