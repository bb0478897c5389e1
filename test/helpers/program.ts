/** Unmodified programs: what they say starts with `app: `, one line of JSON each. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { tempApp } from './temp.ts';
import { type StartOptions, startTsgun, type Tsgun, testNode } from './tsgun.ts';

/** What stands before a program: `say(...values)`, and a server for it to use. */
export const prelude = `const http = require('node:http'), net = require('node:net');
  const say = (...values) => console.error('app: ' + JSON.stringify(values));
  const answer = (text) => (req, res) => res.end(text + ' ' + process.pid);
`;

/** Starts a program that is given as source. */
export function startProgram(source: string, args: string[] = [], options: StartOptions = {}): Tsgun {
  return startTsgun(['app.js', ...args], { cwd: tempApp(prelude + source), ...options });
}

/** What the program says in bare Node within its first moment. */
export function runBare(source: string): unknown[][] {
  const file = join(tempApp(`${prelude}setTimeout(process.exit, 200);\n${source}`), 'app.js');
  return lines(spawnSync(testNode, [file], { encoding: 'utf8' }).stderr);
}

/** All that the workers of a program have said so far. */
export function said(tsgun: Tsgun): unknown[][] {
  return lines(tsgun.stderr());
}

function lines(text: string): unknown[][] {
  return [...text.matchAll(/^app: (.*)$/gm)].map(([, json]) => JSON.parse(json as string));
}

/** A port that nobody has, at least a moment ago. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
