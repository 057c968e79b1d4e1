'use strict';
// A machine that runs replicas: one HTTP server per service, all at the machine's own address, each
// registered through the npm client. On SIGTERM it deregisters them, goes on serving while the
// gateways notice, then ends, as a pod with a preStop hook does.

const http = require('node:http');
const Consul = require('consul');
const { request } = require('../lib/net');
const { serveParent } = require('../lib/worker');
const { mapBounded, sleep } = require('../lib/scenario');

const DRAIN_MS = 1500;
const consul = new Consul({ host: process.env.CONSUL_HOST, port: process.env.CONSUL_PORT });
const running = new Map(); // id -> {id, service, server, health}

function answer(res, status, body) {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': text.length });
  res.end(text);
}

// The state of the dependencies, or whatever the test told this replica to do.
function health(replica, res) {
  const modes = {
    ok: [200, 'healthy'], // passing
    busy: [429, 'overloaded'], // warning
    failing: [503, 'unhealthy'], // critical
  };
  if (replica.health === 'hanging') {
    return; // critical, by timeout
  }
  const [status, word] = modes[replica.health];
  answer(res, status, { status: word, service: replica.service.name,
    dependencies: { postgres: 'connected', nats: 'connected' } });
}

// How one service of this platform calls another: any instance of catalog/service.
async function callPeer(name) {
  const nodes = await consul.catalog.service.nodes(name);
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  const r = await request(node.ServicePort, 'GET', '/health',
    { host: node.ServiceAddress || node.Address });
  return { instances: nodes.length, status: r.status, answer: JSON.parse(r.body) };
}

function handle(replica, version, req, res) {
  const peer = /^\/api\/v1\/\w+\/status\?peer=(\w+)$/.exec(req.url);
  if (req.url === '/health') {
    health(replica, res);
  } else if (peer) {
    callPeer(peer[1]).then((body) => answer(res, 200, body),
      (e) => answer(res, 502, { error: e.message }));
  } else {
    answer(res, 200, { service: replica.service.name, instance: replica.id, version });
  }
}

function listen(server, port, address) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
}

// Start and register one replica of each service.
async function open({ address, instance, version, environment, services }) {
  await mapBounded(services, 8, async (service) => {
    const replica = { id: `${service.name}-${instance}`, service, health: 'ok' };
    replica.server = http.createServer((req, res) => handle(replica, version, req, res));
    await listen(replica.server, service.port, address);
    await consul.agent.service.register({
      id: replica.id,
      name: service.name,
      address,
      port: service.port,
      meta: { version, environment,
        routes: JSON.stringify({ service: service.name, routes: service.routes }) },
      check: { http: `http://${address}:${service.port}/health`, interval: service.interval,
        timeout: service.timeout },
    });
    running.set(replica.id, replica);
  });
}

function setHealth({ id, mode }) {
  running.get(id).health = mode;
}

async function retire() {
  await mapBounded([...running.keys()], 8, (id) => consul.agent.service.deregister(id));
  await sleep(DRAIN_MS);
  await Promise.all([...running.values()].map(({ server }) => new Promise((resolve) => {
    server.close(resolve); // what is being answered is answered
  })));
}

serveParent({ open, setHealth }, retire);
