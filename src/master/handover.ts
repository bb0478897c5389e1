/** What an old master and the new one that it has started say to each other. Both may be of different versions of tsgun. */
import type { SockName } from '../shared/protocol.ts';

/** In the new master's environment: a {@link Handover} as JSON. */
export const UPGRADE = 'TSGUN_UPGRADE';

/** The new master's end of the socketpair over which both speak, in lines of JSON; the sockets follow from 4 on. */
export const CHANNEL_FD = 3;

export interface Handover {
  /** Pid of the old master. */
  master: number;
  sockets: HandedSocket[];
}

/** A socket of the old master, as a descriptor of the new one. */
export interface HandedSocket {
  fd: number;
  sockname: SockName;
  explicit: boolean;
  /** Connections queue in it already. */
  listening: boolean;
  /** The address as the user gave it: `127.0.0.1:0`. */
  bind?: string;
  /** What a program asked for. */
  key?: string;
  /** What `fd://3` was: the number in the command line stays, the descriptor has another one by now. */
  givenFd?: number;
  /** Of a unix socket: which file under its path is ours. */
  file?: SocketFile;
}

export interface SocketFile {
  dev: number;
  ino: number;
}

export type FromNewMaster =
  | { type: 'first' } // a worker serves
  | { type: 'serving' } // all of them do
  | { type: 'failed'; reason: string };

/** `yours`: the new master is in charge. The end of the channel says the same: the old one is dead. */
export type FromOldMaster = { type: 'yours' };
