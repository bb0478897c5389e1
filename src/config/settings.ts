import type { Hook } from './hooks.ts';
import { list } from './kind.ts';
import { address, application, choice, hook, mode, path, seconds, text, variables, whole, workers } from './kinds.ts';
import { type Setting, setting } from './setting.ts';

/** THE table of settings. Everything that concerns a setting follows from its row. */
export const settings = {
  app: setting({
    section: 'application',
    positional: true,
    kind: application(),
    default: undefined,
    required: true,
    reload: true,
    gunicorn: 'wsgi_app',
    listed: true,
    help: 'The application: FILE, FILE:NAME, FILE:NAME(ARGUMENTS), or a directory with a package.json.',
    more: 'NAME is an export; with parentheses it is a factory that is called with the arguments, which are JSON literals. Without a NAME the usual exports are tried. A program that calls `listen()` itself is served unmodified.',
  }),
  config: setting({
    section: 'application',
    flags: '-c, --config',
    file: false,
    kind: path('path'),
    default: undefined,
    defaultText: 'tsgun.config.{js,mjs,cjs,ts,json} in the working directory',
    reload: true,
    listed: true,
    help: 'The configuration file.',
  }),
  chdir: setting({
    section: 'application',
    flags: '--chdir',
    kind: path('dir'),
    default: undefined,
    defaultText: 'where tsgun was started',
    reload: true,
    help: 'Change to this directory first; other paths are relative to it.',
    more: 'A symbolic link in it is followed anew for each generation of workers, so that `--chdir /srv/shop/current` serves what `current` points to.',
  }),
  env: setting({
    section: 'application',
    flags: '-e, --env',
    kind: variables(),
    default: {},
    reload: true,
    gunicorn: 'raw_env',
    listed: true,
    help: 'Set an environment variable for the application.',
    more: 'It goes to the workers only, and has precedence over `--env-file` and over the environment of tsgun.',
  }),
  envFile: setting({
    section: 'application',
    flags: '--env-file',
    kind: list(path('path')),
    default: [],
    reload: true,
    help: 'Read environment variables for the application from this file.',
    more: 'Lines of `NAME=value` in the syntax of `node --env-file`. On the command line Node itself reads this option as well, before tsgun does: the file has to be found from where tsgun was started, and a missing one ends Node with exit code 9. Later files have precedence over earlier ones, and over the environment of tsgun.',
  }),
  appPort: setting({
    section: 'application',
    flags: '--app-port',
    kind: whole('port', 0, 65535),
    default: undefined,
    defaultText: '$PORT, or the first listener',
    reload: true,
    help: 'Of several ports that the application listens at, the one that gets the bound addresses.',
  }),
  ready: setting({
    section: 'application',
    flags: '--ready',
    kind: choice('event', ['listen', 'message']),
    default: 'listen',
    reload: true,
    help: 'When a worker counts as loaded: it listens, or has called process.send("ready").',
  }),

  bind: setting({
    section: 'socket',
    flags: '-b, --bind',
    env: 'PORT',
    fromEnv: (port) => `0.0.0.0:${port}`,
    kind: list(address()),
    default: [],
    defaultText: '0.0.0.0:$PORT, else 127.0.0.1:8000; a program that listens itself gets the address it asked for',
    reload: true,
    listed: true,
    help: 'Where to listen: HOST:PORT, PORT, HOST, [IPV6]:PORT, unix:PATH or fd://NUMBER.',
    more: 'A missing port is 8000, a missing host is 0.0.0.0; `*` is every address of both families, and `localhost` both loopback addresses.',
  }),
  backlog: setting({
    section: 'socket',
    flags: '--backlog',
    kind: whole('number', 1, 2 ** 31 - 1),
    default: 2048,
    reload: false,
    help: 'How many connections may wait to be accepted.',
    more: 'The kernel cuts it to `net.core.somaxconn`.',
  }),
  socketMode: setting({
    section: 'socket',
    flags: '--socket-mode',
    kind: mode(),
    default: 0o660,
    reload: false,
    help: 'Permissions of unix sockets.',
  }),
  socketGroup: setting({
    section: 'socket',
    flags: '--socket-group',
    kind: text('group'),
    default: undefined,
    defaultText: 'the group of tsgun',
    reload: false,
    help: 'Group of unix sockets, by name or number.',
  }),

  workers: setting({
    section: 'workers',
    flags: '-w, --workers',
    env: 'WEB_CONCURRENCY',
    kind: workers(),
    default: 1,
    reload: true,
    listed: true,
    help: 'Number of workers; "auto" is one for each CPU.',
    more: 'For `auto`, the CPU quota of the control group counts: a container with 2 CPUs gets 2 workers on a machine of 64. The signals TTIN and TTOU change the number while tsgun runs.',
  }),
  bootTimeout: setting({
    section: 'workers',
    flags: '--boot-timeout',
    kind: seconds({ min: 0.001 }),
    default: 60,
    reload: true,
    help: 'A worker that has not loaded the application by then is killed.',
  }),
  gracefulTimeout: setting({
    section: 'workers',
    flags: '--graceful-timeout',
    kind: seconds(),
    default: 30,
    reload: true,
    listed: true,
    help: 'Time for requests in flight when a worker leaves; then it is killed.',
  }),
  drainLinger: setting({
    section: 'workers',
    flags: '--drain-linger',
    kind: seconds(),
    default: 2,
    reload: true,
    help: 'At a stop, how long idle kept-alive connections stay open for a last request.',
    more: 'It is a part of the graceful timeout. A connection on which a request was answered meanwhile is closed with the answer.',
  }),
  keepAlive: setting({
    section: 'workers',
    flags: '--keep-alive',
    kind: seconds(),
    default: 75,
    reload: true,
    gunicorn: 'keepalive',
    help: 'How long an idle kept-alive connection stays open; 0 closes it after each answer.',
    more: 'The default is above the 60 s of nginx and of cloud balancers, which have to be the ones who close. A `keepAliveTimeout` that the application sets itself wins over the default, and this setting wins over both.',
  }),

  pid: setting({
    section: 'mechanics',
    flags: '-p, --pid',
    kind: path('path'),
    default: undefined,
    defaultText: 'none',
    reload: false,
    gunicorn: 'pidfile',
    listed: true,
    help: 'File for the number of the master process.',
  }),
  name: setting({
    section: 'mechanics',
    flags: '-n, --name',
    kind: text('name'),
    default: undefined,
    defaultText: 'the application',
    reload: false,
    gunicorn: 'proc_name',
    listed: true,
    help: 'Name of this instance, as ps(1) shows it.',
  }),
  umask: setting({
    section: 'mechanics',
    flags: '-m, --umask',
    kind: mode(),
    default: undefined,
    defaultText: 'left as it is',
    reload: false,
    help: 'Permission bits that new files do not get.',
  }),

  errorLogfile: setting({
    section: 'logging',
    flags: '--error-logfile, --log-file',
    kind: path('path', { dash: 'standard error' }),
    default: '-',
    defaultText: '-, standard error',
    reload: true,
    gunicorn: 'errorlog',
    help: 'Where the log goes; "-" is standard error.',
  }),
  logLevel: setting({
    section: 'logging',
    flags: '--log-level',
    kind: choice('level', ['trace', 'debug', 'info', 'warn', 'error', 'fatal'], { warning: 'warn', critical: 'fatal' }),
    default: 'info',
    reload: true,
    gunicorn: 'loglevel',
    listed: true,
    help: 'The least important lines that are logged.',
    more: "Gunicorn's `warning` and `critical` are accepted.",
  }),
  logFormat: setting({
    section: 'logging',
    flags: '--log-format',
    kind: choice('format', ['auto', 'text', 'json']),
    default: 'auto',
    reload: true,
    listed: true,
    help: 'The form of log lines: "auto" is text on a terminal and for journald, else JSON.',
  }),

  onStarting: setting({
    section: 'hooks',
    kind: hook<Hook>('(master) => void | Promise<void>'),
    default: undefined,
    defaultText: 'none',
    reload: false,
    onThrow: 'abort',
    help: 'Called before the sockets are bound.',
    more: 'If it throws, or its promise rejects, tsgun does not start and exits with 1.',
  }),
  whenReady: setting({
    section: 'hooks',
    kind: hook<Hook>('(master) => void | Promise<void>'),
    default: undefined,
    defaultText: 'none',
    reload: false,
    onThrow: 'log',
    help: 'Called when the first worker serves.',
    more: 'A failure is logged.',
  }),
  onExit: setting({
    section: 'hooks',
    kind: hook<Hook>('(master) => void | Promise<void>'),
    default: undefined,
    defaultText: 'none',
    reload: true,
    onThrow: 'log',
    help: 'Called when all workers are gone, before the master exits.',
    more: 'A failure is logged.',
  }),
};

type Settings = typeof settings;

/** The name of a setting, as a configuration file has it. */
export type Key = keyof Settings;

type ValueOf<Row> =
  Row extends Setting<infer Value, infer _Input, infer Default>
    ? undefined extends Default
      ? Row extends { required: true }
        ? Value
        : Value | undefined
      : Value
    : never;

/** Every setting with its value: durations in seconds, paths absolute, addresses parsed. */
export type Config = { readonly [K in Key]: ValueOf<Settings[K]> };

type FileKey = { [K in Key]: Settings[K] extends { file: false } ? never : K }[Key];

type InputOf<Row> = Row extends Setting<infer _Value, infer Input, infer _Default> ? Input : never;

/** What a configuration file may say. */
export type UserConfig = { [K in FileKey]?: InputOf<Settings[K]> | undefined };
