import type { IncomingMessage, ServerResponse } from 'node:http';

interface Greeting {
  hello: string;
  worker: number;
}

export default function app(_req: IncomingMessage, res: ServerResponse): void {
  const greeting: Greeting = { hello: 'world', worker: process.pid };
  res.setHeader('content-type', 'application/json').end(JSON.stringify(greeting));
}
