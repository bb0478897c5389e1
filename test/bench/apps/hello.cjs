const http = require('node:http');

const handler = (_req, res) => res.end('hello');

if (process.env.BENCH_PORT) http.createServer(handler).listen(Number(process.env.BENCH_PORT), '127.0.0.1');
else module.exports = handler;
