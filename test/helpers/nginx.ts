/** The real nginx before an upstream: one process in the foreground, with all of its files in a folder of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { register } from './cleanup.ts';
import { listeningPorts, until } from './proc.ts';
import { tempDir } from './temp.ts';

export interface Nginx {
  /** What it has written to its error log, where every upstream connection that failed has a line. */
  errors(): string;
}

/** Starts it and waits until it listens. `http` is what its configuration says beside the server, `location` for all paths. */
export async function startNginx(path: string, port: number, http: string, location: string): Promise<Nginx> {
  const dir = tempDir();
  const log = join(dir, 'error.log');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((of) => `${of}_temp_path ${of};`)
    .join(' ');
  const config = `daemon off; master_process off; pid pid; error_log error.log;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary}
      ${http}
      server { listen 127.0.0.1:${port}; keepalive_requests 100000; location / { ${location} } }
    }\n`;
  writeFileSync(join(dir, 'nginx.conf'), config);
  const child = spawn(path, ['-p', dir, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const errors = (): string => readFileSync(log, 'utf8');
  register({
    async clean(failed) {
      child.kill('SIGTERM');
      await exited;
      process.off('exit', kill);
      return failed ? `--- error log of nginx\n${errors()}` : '';
    },
  });
  await until(() => {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${errors()}`);
    return listeningPorts(child.pid as number).includes(port);
  }, 'nginx should listen');
  return { errors };
}
