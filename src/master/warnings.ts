import { existsSync } from 'node:fs';
import type { SockName } from '../shared/protocol.ts';

/** What is worth knowing before it hurts, each said once at the start. */
export function startWarnings(
  env: Readonly<Record<string, string | undefined>>,
  uid: number | undefined,
  socknames: readonly SockName[],
): string[] {
  const warnings: string[] = [];
  if (inContainer(env) && socknames.length > 0 && socknames.every(isLoopback)) {
    warnings.push(
      'listening on loopback only, inside a container: nobody outside can connect; bind 0.0.0.0:PORT to change that',
    );
  }
  if (uid === 0) warnings.push('the workers run as root');
  if (env.NODE_ENV === undefined) {
    warnings.push(
      'NODE_ENV is not set: many frameworks are slow, and show stacks to clients, without NODE_ENV=production',
    );
  }
  return warnings;
}

function isLoopback(sockname: SockName): boolean {
  return 'address' in sockname && (sockname.address.startsWith('127.') || sockname.address === '::1');
}

function inContainer(env: Readonly<Record<string, string | undefined>>): boolean {
  const { container, KUBERNETES_SERVICE_HOST } = env;
  return (
    container !== undefined ||
    KUBERNETES_SERVICE_HOST !== undefined ||
    ['/.dockerenv', '/run/.containerenv'].some(existsSync)
  );
}
