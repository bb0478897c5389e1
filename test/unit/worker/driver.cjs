// Stands in for a worker: loads an application with the bundled loader, with a seam that is nothing but bare Node, sends
// it one request and prints what became of it. Arguments: the bundle, {@link AppSpec} and path as JSON, then argv.
const http = require('node:http');
const net = require('node:net');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

const [bundle, order, ...argv] = process.argv.slice(2);
const { loadApplication, LoadFailure, reportableError } = require(bundle);
const { spec, path = '/', realPorts = false } = JSON.parse(order);

const servers = [];
const notices = [];
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (...args) {
  servers.push(this);
  if (realPorts) return listen.apply(this, args);
  return listen.call(
    this,
    0,
    '127.0.0.1',
    args.find((arg) => typeof arg === 'function'),
  );
};

const seam = {
  host: '127.0.0.1',
  port: 0,
  bound: false,
  hasListened: () => servers.length > 0,
  adopt: async (start) => void (await start()),
  notice: (level, message) => notices.push(`${level}: ${message}`),
};

async function request() {
  for (let turns = 0; servers.length === 0 && turns < 40; turns++) await sleep(25);
  if (servers.length === 0) return {};
  if (!servers[0].listening) await once(servers[0], 'listening');
  const asked = http.get({ port: servers[0].address().port, path, agent: false });
  const [response] = await once(asked, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, body };
}

loadApplication(spec, argv, seam)
  .then(async (loaded) => ({ ...loaded, ...(await request()), servers: servers.length }))
  .catch((error) => (error instanceof LoadFailure ? { failure: error.failure } : { bug: reportableError(error) }))
  .then((result) => process.stdout.write(JSON.stringify({ ...result, notices }), () => process.exit(0)));
