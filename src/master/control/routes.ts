/** What the control socket and the address of --admin answer: pure but for what the instance does. */
import type { Instance } from './instance.ts';

export interface Reply {
  status: number;
  body: object;
  headers?: Readonly<Record<string, string>>;
}

/** Who asks: the control socket is for the owner alone, the address of --admin for whoever reaches it. */
export type Door = 'socket' | 'admin';

interface Route {
  method: 'GET' | 'POST';
  doors: readonly Door[];
  reply(instance: Instance): Reply | Promise<Reply>;
}

const routes = {
  '/status': {
    method: 'GET',
    doors: ['socket'],
    reply: (instance) => ({ status: 200, body: instance.status() }),
  },
  '/reload': {
    method: 'POST',
    doors: ['socket'],
    reply: async (instance) => ({ status: 200, body: await instance.reload() }),
  },
  // Tied to the application, it would have a working master killed for what one worker does.
  '/healthz': {
    method: 'GET',
    doors: ['socket', 'admin'],
    reply: () => ({ status: 200, body: { healthy: true } }),
  },
  '/readyz': {
    method: 'GET',
    doors: ['socket', 'admin'],
    reply: ({ ready }) => ({ status: ready ? 200 : 503, body: { ready } }),
  },
} as const satisfies Record<string, Route>;

/** The answer to a request. */
export function replyTo(method: string, target: string, door: Door, instance: Instance): Reply | Promise<Reply> {
  const path = target.split('?', 1)[0]!;
  const open = Object.entries<Route>(routes).filter(([, { doors }]) => doors.includes(door));
  const route = open.find(([name]) => name === path)?.[1];
  if (route === undefined) {
    const known = open.map(([name, each]) => `${each.method} ${name}`);
    return { status: 404, body: { error: `there is no ${JSON.stringify(path)} here`, routes: known } };
  }
  const allowed: string[] = route.method === 'GET' ? ['GET', 'HEAD'] : [route.method];
  if (allowed.includes(method)) return route.reply(instance);
  const error = `${path} takes ${allowed.join(' or ')}, not ${method}`;
  return { status: 405, body: { error }, headers: { Allow: allowed.join(', ') } };
}
