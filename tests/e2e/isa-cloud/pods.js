'use strict';
// A node of the cluster that runs pods: each is a gRPC server at an address of its own, with
// grpc.health.v1 from the grpc-health-check package, registered through the npm client unless
// ISA_CLOUD_CONSUL_ENABLED says no. On SIGTERM it deregisters its pods, then ends.

const grpc = require('@grpc/grpc-js');
const { HealthImplementation } = require('grpc-health-check');
const Consul = require('consul');
const { INFRA } = require('./infra');
const { serveParent } = require('../lib/worker');

const enabled = process.env.ISA_CLOUD_CONSUL_ENABLED !== 'false';
const consul = new Consul({ host: process.env.ISA_CLOUD_CONSUL_HOST,
  port: process.env.ISA_CLOUD_CONSUL_PORT });
const pods = new Map(); // id -> {server, health}

function credentials(tls) {
  return tls ? grpc.ServerCredentials.createSsl(null,
    [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }])
    : grpc.ServerCredentials.createInsecure();
}

function bind(server, target, tls) {
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials(tls), (e, port) => (e ? reject(e) : resolve(port)));
  });
}

// Start a pod and register it. `statuses` is its health: "" for the whole server, and by service.
async function open({ name, hostname, address, port, tls, statuses, check, meta }) {
  const id = `${name}-${hostname}`;
  const server = new grpc.Server();
  const health = new HealthImplementation(statuses || { '': 'SERVING' });
  health.addToServer(server);
  server.addService(INFRA, { whoAmI: (call, reply) => reply(null, { id, address }) });
  await bind(server, `${address}:${port}`, tls);
  pods.set(id, { server, health });
  if (enabled) {
    await consul.agent.service.register({
      id, name, address, port, tags: ['grpc', 'infrastructure'], meta: meta || { version: '1.0.0' },
      check: { grpc: `${address}:${port}`, interval: '1s', timeout: '1s', ...check },
    });
  }
  return id;
}

function setStatus({ id, service, status }) {
  pods.get(id).health.setStatus(service || '', status);
}

// The pod's old address goes away without a word to anyone, as when it is moved.
function vanish({ id }) {
  pods.get(id).server.forceShutdown();
  pods.delete(id);
}

async function retire() {
  for (const [id, pod] of pods) {
    if (enabled) {
      await consul.agent.service.deregister(id);
    }
    await new Promise((resolve) => {
      pod.server.tryShutdown(resolve);
    });
  }
}

serveParent({ open, setStatus, vanish }, retire);
