import { readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { type Answer, QUESTION_FD, type Question } from '../shared/protocol.ts';

const chunk = Buffer.allocUnsafe(4096);

/**
 * Asks the master and blocks for the answer (0.5 to 2 ms), so that `listen()` knows its address and its errors in the same
 * tick, as in bare Node. A master that is gone answers ECONNRESET.
 */
export function ask(question: Question): Answer {
  try {
    writeSync(QUESTION_FD, `${JSON.stringify(question)}\n`);
    let answer = '';
    while (!answer.endsWith('\n')) {
      const length = readSync(QUESTION_FD, chunk);
      if (length === 0) return { errno: -constants.errno.ECONNRESET };
      answer += chunk.toString('utf8', 0, length);
    }
    return JSON.parse(answer) as Answer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return { errno: -constants.errno.ECONNRESET };
    throw error;
  }
}
