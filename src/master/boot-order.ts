import type { Resolved } from '../config/load.ts';
import type { Boot, ListenerInfo } from '../shared/protocol.ts';

/** Where a handler is served when nobody said where, as in Gunicorn. */
const FALLBACK = { host: '127.0.0.1', port: 8000 };

/** What a worker has to know before it loads the application; `canary`: no worker of its generation has served yet. */
export function bootOrder(
  { config, explicitBind, childEnv, sources, argv }: Resolved,
  name: string,
  explicit: ListenerInfo[],
  { canary, ...worker }: Pick<Boot, 'id' | 'slot' | 'generation' | 'primes'> & { canary: boolean },
): Boot {
  const appPort = config.appPort ?? (explicitBind && childEnv.PORT ? Number(childEnv.PORT) : undefined);
  const { verify, maxRequests, maxRequestsJitter } = config;
  return {
    type: 'boot',
    ...worker,
    app: config.app,
    argv,
    title: `tsgun: worker [${name}]`,
    explicit,
    fallback: FALLBACK,
    ...(appPort === undefined ? {} : { appPort }),
    ready: config.ready,
    ...(verify === undefined || !canary ? {} : { verify: { path: verify, bootTimeoutMs: config.bootTimeout * 1000 } }),
    ...(maxRequests === 0 ? {} : { maxRequests: { count: maxRequests, jitter: maxRequestsJitter } }),
    backlog: config.backlog,
    keepAlive: { seconds: config.keepAlive, forced: sources.keepAlive !== 'default' },
    drain: { lingerMs: config.drainLinger * 1000, timeoutMs: config.gracefulTimeout * 1000 },
  };
}
