const { createServer } = require('node:http');

const server = createServer((_req, res) => {
  res.end(`hello from process ${process.pid}\n`);
});

server.listen(3000, '127.0.0.1', () => {
  const { address, port } = server.address();
  console.log(`listening on http://${address}:${port}`);
});

process.on('SIGTERM', () => {
  server.close(() => console.log(`process ${process.pid} has closed its server`));
});
