// What a person writes by hand with node:cluster: `node cluster.cjs APP WORKERS`, the application listens at BENCH_PORT.
const cluster = require('node:cluster');

const [, , app, workers] = process.argv;

if (cluster.isPrimary) {
  for (let i = 0; i < Number(workers); i++) cluster.fork();
  cluster.on('exit', () => cluster.fork());
} else {
  require(app);
}
