/** The two doors to a running instance: the control socket for its owner, and the address of --admin for probes. */
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import type { Env } from '../../config/environment.ts';
import type { Config } from '../../config/settings.ts';
import { TsgunError } from '../../errors.ts';
import { addressUrl, formatAddress, resolveAddress, type TcpAddress } from '../../shared/address.ts';
import type { Log } from '../../shared/log.ts';
import { bindError, refuseDoubles } from '../bind-errors.ts';
import { portOwner } from '../port-owner.ts';
import { UnixSocket } from '../unix-socket.ts';
import { folderForNew, removeStale, socketName, socketsIn } from './folders.ts';
import type { Instance } from './instance.ts';
import { type Door, type Reply, replyTo } from './routes.ts';
import type { ControlServer } from './server.ts';

type Settings = Pick<Config, 'bind' | 'controlSocket' | 'admin'>;

export class Control {
  readonly #config: Settings;
  readonly #name: string;
  readonly #instance: Instance;
  readonly #log: Log;
  readonly #servers: ControlServer[] = [];
  #socket: UnixSocket<{ close(): void }> | undefined;
  #opening: Promise<void> | undefined;
  #stopped = false;
  #stopping: Promise<void> | undefined;

  constructor(config: Settings, name: string, instance: Instance, log: Log) {
    this.#config = config;
    this.#name = name;
    this.#instance = instance;
    this.#log = log;
  }

  /** Opens the addresses of --admin. @throws TsgunError('bind') */
  async openAdmin(): Promise<void> {
    refuseDoubles([...this.#config.bind, ...this.#config.admin]);
    for (const address of this.#config.admin) {
      const [host, ...more] = address.host === 'localhost' ? ['127.0.0.1', '::1'] : [address.host];
      const port = await this.#listen({ ...address, host: host! });
      // A machine without IPv6 has one loopback address.
      for (const other of more) await this.#listen({ ...address, host: other, port }).catch(() => {});
    }
  }

  /** Opens the control socket. Where that is not possible, the log says why, and everything else goes on. */
  openSocket(env: Env): Promise<void> {
    this.#opening = this.#openSocket(env);
    return this.#opening;
  }

  async #openSocket(env: Env): Promise<void> {
    const { controlSocket } = this.#config;
    if (controlSocket === 'off') return;
    try {
      const path = controlSocket ?? (await this.#defaultPath(env));
      const refusal = path === undefined ? 'there is no folder for it' : await this.#listenAt(path);
      if (refusal === undefined) this.#log.line('debug', `the control socket is ${path}`, { event: 'control', path });
      else this.#refuse(path, refusal);
    } catch (error) {
      this.#refuse(controlSocket, (error as Error).message);
    }
  }

  /** Answers whoever still waits, closes, and removes the socket's file. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    await this.#opening;
    const message = 'the master has stopped before the rollout had ended';
    const at = new Date().toISOString();
    const last: Reply = { status: 503, body: { outcome: 'failed', message, durationMs: 0, at } };
    await Promise.all(this.#servers.map((server) => server.stop(last)));
    this.#socket?.close();
  }

  #refuse(path: string | undefined, why: string): void {
    const place = path === undefined ? '' : ` ${path}`;
    const message = `no control socket${place}: ${why}; "tsgun status" and "tsgun reload" will not find this instance`;
    this.#log.line('info', message, { event: 'control', cause: why, ...(path === undefined ? {} : { path }) });
  }

  async #defaultPath(env: Env): Promise<string | undefined> {
    const folder = folderForNew(env);
    if (folder === undefined) return undefined;
    await removeStale(socketsIn(folder));
    return join(folder, socketName(this.#name, process.pid));
  }

  /** @returns why it cannot be */
  async #listenAt(path: string): Promise<string | undefined> {
    const address = resolveAddress({ kind: 'unix', path }, dirname(path));
    if (typeof address === 'string') return address;
    const control = await this.#server('socket');
    const bound = await UnixSocket.bindBy((temporary) => listenPrivately(control, temporary), path, {
      mode: 0o600,
      group: undefined,
    });
    if ('code' in bound) return bound.detail ?? bound.code;
    const refusal = this.#stopped ? { code: 'ECANCELED' } : await bound.publish();
    if (refusal) bound.close();
    else this.#socket = bound;
    return refusal?.code;
  }

  /** @returns the port */
  async #listen(address: TcpAddress): Promise<number> {
    const { server } = await this.#server('admin');
    server.listen({ port: address.port, ...(address.host === null ? {} : { host: address.host }) });
    await once(server, 'listening').catch(({ code = 'EINVAL' }: NodeJS.ErrnoException) => {
      const owner = code === 'EADDRINUSE' ? portOwner(address.port) : undefined;
      const { message, hint } = bindError(formatAddress(address), code, owner === undefined ? {} : { owner });
      throw new TsgunError('bind', `--admin: ${message}`, hint?.replace('--bind', '--admin'));
    });
    const { port } = server.address() as { port: number };
    const text = formatAddress({ ...address, port });
    const url = addressUrl({ ...address, port });
    this.#log.line('info', `probes are answered at ${url}/healthz and ${url}/readyz`, {
      event: 'admin',
      address: text,
      url,
    });
    return port;
  }

  /** node:http is loaded when somebody may ask: a start does not wait for it. */
  async #server(door: Door): Promise<ControlServer> {
    const { ControlServer } = await import('./server.ts');
    const control = new ControlServer((method, target) => replyTo(method, target, door, this.#instance));
    this.#servers.push(control);
    control.server.on('error', (error) => {
      if (control.server.listening) this.#log.line('warn', `${door}: ${error.message}`, { event: 'control' });
    });
    return control;
  }
}

/** Binds and listens, with permissions for the owner alone from the first moment; both happen within the call. */
async function listenPrivately({ server }: ControlServer, path: string): Promise<{ close(): void } | number> {
  const before = process.umask(0o177);
  server.listen(path);
  process.umask(before);
  try {
    await once(server, 'listening');
    return { close: () => server.close() };
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -1;
  }
}
