/** A question to a control socket. */
import { request } from 'node:http';

export interface Answer {
  status: number;
  body: unknown;
}

/**
 * @param patienceMs  how long to wait for the answer; undefined: as long as the connection stands
 * @throws Error with the system's code (ECONNREFUSED, EACCES, ECONNRESET, …), or ETIMEDOUT
 */
export function ask(socketPath: string, method: 'GET' | 'POST', path: string, patienceMs?: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('error', reject);
      response.on('end', () => {
        clearTimeout(timer);
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
        } catch (error) {
          reject(error);
        }
      });
    });
    const late = () => asked.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
    const timer = patienceMs === undefined ? undefined : setTimeout(late, patienceMs);
    asked.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    asked.end();
  });
}
