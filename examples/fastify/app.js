import Fastify from 'fastify';

const app = Fastify();

app.get('/', async () => ({ hello: 'world', worker: process.pid }));

app.get(
  '/add/:a/:b',
  { schema: { params: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } } } } },
  async (request) => ({ sum: request.params.a + request.params.b }),
);

export default app;
