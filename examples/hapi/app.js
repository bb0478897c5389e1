const Hapi = require('@hapi/hapi');

exports.create = async () => {
  const server = Hapi.server();
  server.route({ method: 'GET', path: '/', handler: () => `hello from worker ${process.pid}\n` });
  await server.initialize();
  return server;
};
