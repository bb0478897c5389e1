import { Hono } from 'hono';
import { streamText } from 'hono/streaming';

const app = new Hono();

app.get('/', (c) => c.text(`hello from worker ${process.pid}\n`));

app.get('/count', (c) =>
  streamText(c, async (stream) => {
    for (let n = 1; n <= 3; n++) {
      await stream.writeln(String(n));
      await stream.sleep(200);
    }
  }),
);

export default app;
