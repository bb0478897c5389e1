/**
 * Which connections are open, and in what state. Nothing is done per request: the lists are Node's own.
 *
 * Undocumented and therefore here alone: the server's connection list, socket.parser, socket._httpMessage.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { isHttp2 } from './listen-server.ts';

export interface HttpSocket extends Socket {
  _httpMessage?: ServerResponse | null;
  parser?: { incoming: IncomingMessage | null } | null;
  /** Of a TLSSocket: the socket beneath. */
  _parent?: Socket;
}

/** Node's list of the connections of an http.Server that speak HTTP; upgraded ones have left it. */
interface ConnectionsList {
  all(): { socket: HttpSocket }[];
  idle(): { socket: HttpSocket }[];
}

/** Every connection there is, and how many there have been. */
export const accepted = { open: new Set<Socket>(), total: 0 };
const sessions = new Set<ServerHttp2Session>();

/** Notes every connection that is accepted from now on. */
export function trackConnections(): void {
  subscribe('net.server.socket', (message) => {
    const { socket } = message as { socket: Socket };
    accepted.total++;
    accepted.open.add(socket);
    socket.once('close', () => accepted.open.delete(socket));
  });
}

/** Notes the sessions of an HTTP/2 server; other servers never emit the event. */
export function trackSessions(server: Server): void {
  if (!isHttp2(server)) return;
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
}

export const http2Sessions = (): ServerHttp2Session[] => [...sessions];

function listOf(server: Server): ConnectionsList | undefined {
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'http.server.connections');
  return key && (server as unknown as Record<symbol, ConnectionsList>)[key];
}

/** Connections that speak HTTP/1, whatever they are doing. */
export function httpSockets(server: Server): HttpSocket[] {
  return (
    listOf(server)
      ?.all()
      .map(({ socket }) => socket) ?? []
  );
}

/** Those on which no request has begun: between two requests, or never used. A half-sent head is a request. */
export function idleSockets(server: Server): HttpSocket[] {
  const between = new Set(
    listOf(server)
      ?.idle()
      .map(({ socket }) => socket),
  );
  return httpSockets(server).filter(
    (socket) => !socket._httpMessage && (between.has(socket) || socket.bytesRead === 0),
  );
}

/** Upgraded connections (WebSockets) and those of servers that do not speak HTTP: their end is the application's to say. */
export function otherSockets(servers: readonly Server[]): Socket[] {
  const http = new Set<Socket | undefined>(
    servers.flatMap((server) => httpSockets(server).flatMap((each) => [each, each._parent])),
  );
  if (sessions.size > 0) return [];
  return [...accepted.open].filter((socket) => !http.has(socket) && !socket.destroyed);
}

/** A response that can still say `Connection: close`, being the last one asked for on its connection (requests may be pipelined). */
export function lastResponse(socket: HttpSocket): ServerResponse | undefined {
  const response = socket._httpMessage;
  if (!response || response.headersSent) return undefined;
  const pipelined = socket.parser?.incoming;
  return pipelined && pipelined !== response.req ? undefined : response;
}
