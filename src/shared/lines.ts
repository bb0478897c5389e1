import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** A line that grows beyond this is cut into several: a program that never ends its line must not fill the memory. */
const MAX_LINE = 64 * 1024;

/** Calls `take` for every line of a stream, and for what follows the last one at its end. */
export function eachLine(stream: Readable, take: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
    if (rest.length < MAX_LINE) return;
    take(rest);
    rest = '';
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
  });
}
