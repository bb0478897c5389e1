import Koa from 'koa';

const app = new Koa();

app.use((ctx) => {
  ctx.body = `hello from worker ${process.pid}\n`;
});

export default app;
