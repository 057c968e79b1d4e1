'use strict';
// isa-cloud: gRPC infrastructure services in pods with addresses of their own; see README.md.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Scenario, until, sleep } = require('../lib/scenario');
const { Server, DIR } = require('../lib/server');
const { program } = require('../lib/processes');
const { Worker } = require('../lib/worker');
const { podNetwork, portShift } = require('../lib/net');
const { dig, addresses, endpoints } = require('../lib/dig');
const { Ledger, indexes, wentBack } = require('../lib/ledger');
const { whoAmI } = require('./infra');

const MARGIN = 8; // what a busy machine may add
const LEAVES = 1 + 1 + 1 + MARGIN; // interval + timeout + 1 s, and the margin
const REAPS = 1 + 1 + 30 + MARGIN; // the time after which, and how often it is looked at

const scenario = new Scenario('isa-cloud');
const server = new Server('isa-cloud', { log_json: true, check_deregister_interval_min: '1s' });
const network = podNetwork();
let client;
let pods; // the node on which most pods run
// The platform's ports; moved together if this machine uses one of them already.
const port = { minio: 50051, loki: 50054, redis: 50055, nats: 50056, kafka: 50057, vault: 50058,
  doomed: 50059, postgres: 50061, qdrant: 50062, neo4j: 50063, quiet: 50070 };
const REPLICAS = { minio: 1, loki: 1, redis: 2, nats: 1, postgres: 2, qdrant: 1, neo4j: 1 };
const TOTAL = Object.values(REPLICAS).reduce((sum, n) => sum + n);

function node(env = {}) {
  return new Worker(path.join(__dirname, 'pods.js'), { ISA_CLOUD_CONSUL_ENABLED: 'true',
    ISA_CLOUD_CONSUL_HOST: '127.0.0.1', ISA_CLOUD_CONSUL_PORT: String(server.http), ...env });
}

const passing = async (name) => (await client.health.service({ service: name, passing: true }))
  .map((e) => e.Service.ID).sort();

async function checkOf(id) {
  const all = await server.json('/v1/agent/checks');
  return all[`service:${id}`];
}

async function turns(id, status, seconds = LEAVES) {
  await until(`${id} turns ${status}`, async () => (await checkOf(id)).Status === status, seconds);
}

// A self-signed certificate for a name.
async function certificate(name) {
  const file = (what) => path.join(DIR, `${name}.${what}`);
  const r = await program('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', `subjectAltName=DNS:${name}`, '-keyout', file('key'), '-out', file('cert')]);
  assert.equal(r.status, 0, r.err);
  return { key: fs.readFileSync(file('key'), 'utf8'), cert: fs.readFileSync(file('cert'), 'utf8') };
}

scenario.atEnd(() => server.running() && server.stop());

scenario.vital('a server starts on an empty directory', async () => {
  await server.start();
  client = server.client();
  pods = node();
  const shift = await portShift(`${network}.10`, Object.values(port));
  Object.keys(port).forEach((name) => {
    port[name] += shift;
  });
});

scenario.vital('gRPC services register from pods with addresses of their own', async () => {
  for (const [i, name] of Object.keys(REPLICAS).entries()) {
    for (let n = 0; n < REPLICAS[name]; n += 1) {
      await pods.ask('open', { name: `${name}-grpc`, hostname: `pod-${n}`, port: port[name],
        address: `${network}.${10 + 2 * i + n}` });
    }
  }
  assert.equal(Object.keys(await client.agent.service.list()).length, TOTAL);
});

scenario.step('every pod turns passing once grpc.health.v1 says SERVING', async () => {
  await until('all pass', async () => (await client.health.state('passing'))
    .filter((c) => c.ServiceName.endsWith('-grpc')).length === TOTAL, LEAVES);
  const check = await checkOf('redis-grpc-pod-0');
  assert.equal(check.Type, 'grpc');
  assert.equal(check.Output, `gRPC check ${network}.14:${port.redis}: success`);
});

scenario.step('a pod whose registration is switched off leaves no trace', async () => {
  const quiet = node({ ISA_CLOUD_CONSUL_ENABLED: 'false' });
  await quiet.ask('open', { name: 'quiet-grpc', hostname: 'pod-0', address: `${network}.30`,
    port: port.quiet });
  assert.deepEqual(await client.catalog.service.nodes('quiet-grpc'), []);
  assert.equal((await whoAmI(`${network}.30:${port.quiet}`)).id, 'quiet-grpc-pod-0');
  quiet.signal('SIGTERM');
  assert.equal(await quiet.ended, 0);
});

scenario.step('clients find pods by name, tag and port through DNS and call them', async () => {
  const expected = [`${network}.14:${port.redis}`, `${network}.15:${port.redis}`];
  for (const name of ['redis-grpc.service.consul', 'infrastructure.redis-grpc.service.consul',
    'GRPC.redis-grpc.service.dc1.consul', '_redis-grpc._tcp.service.consul',
    '_redis-grpc._grpc.service.consul']) {
    assert.deepEqual(await endpoints(server, name, '+notcp'), expected, name);
    assert.deepEqual(await endpoints(server, name, '+tcp'), expected, name);
  }
  assert.equal((await dig(server, 'wrong-tag.redis-grpc.service.consul', 'SRV')).rcode, 'NXDOMAIN');
  const any = await dig(server, 'redis-grpc.service.consul', 'ANY', '+tcp');
  assert.deepEqual(any.answer.filter((r) => r.type === 'A').length, 2);
  for (const [n, target] of expected.entries()) {
    assert.deepEqual(await whoAmI(target),
      { id: `redis-grpc-pod-${n}`, address: target.split(':')[0] });
  }
});

scenario.step('clients find pods by tag in health and catalog', async () => {
  const ids = async (tag) => (await client.health.service({ service: 'redis-grpc', tag,
    passing: true })).map((e) => e.Service.ID).sort();
  assert.deepEqual(await ids('infrastructure'), ['redis-grpc-pod-0', 'redis-grpc-pod-1']);
  assert.deepEqual(await ids('other'), []);
  assert.deepEqual((await client.catalog.service.list())['redis-grpc'].sort(),
    ['grpc', 'infrastructure']);
  const both = await server.json('/v1/catalog/service/redis-grpc?tag=grpc&tag=infrastructure');
  assert.equal(both.length, 2);
});

scenario.step('NOT_SERVING takes a pod out and SERVING brings it back', async () => {
  const id = 'postgres-grpc-pod-1';
  await pods.ask('setStatus', { id, status: 'NOT_SERVING' });
  await turns(id, 'critical');
  assert.match((await checkOf(id)).Output, /NOT_SERVING/);
  assert.deepEqual(await passing('postgres-grpc'), ['postgres-grpc-pod-0']);
  assert.deepEqual(await addresses(server, 'postgres-grpc.service.consul'), [`${network}.18`]);
  await pods.ask('setStatus', { id, status: 'SERVING' });
  await turns(id, 'passing');
  assert.deepEqual(await addresses(server, 'postgres-grpc.service.consul'),
    [`${network}.18`, `${network}.19`]);
});

scenario.step('a check may ask for one service of a server', async () => {
  const target = `${network}.31:${port.kafka}`;
  const id = await pods.ask('open', { name: 'kafka-grpc', hostname: 'pod-0', port: port.kafka,
    address: `${network}.31`, check: { grpc: `${target}/isa.kafka.v1.Broker` },
    statuses: { '': 'SERVING', 'isa.kafka.v1.Broker': 'SERVING',
      'isa.kafka.v1.Admin': 'SERVING' } });
  await turns(id, 'passing');
  assert.equal((await checkOf(id)).Output, `gRPC check ${target}/isa.kafka.v1.Broker: success`);
  await pods.ask('setStatus', { id, service: 'isa.kafka.v1.Admin', status: 'NOT_SERVING' });
  await sleep(1500);
  assert.equal((await checkOf(id)).Status, 'passing'); // not the one that it asks for
  await pods.ask('setStatus', { id, service: 'isa.kafka.v1.Broker', status: 'NOT_SERVING' });
  await turns(id, 'critical');
  await pods.ask('setStatus', { id, service: 'isa.kafka.v1.Broker', status: 'SERVING' });
  await turns(id, 'passing');
  const unknown = await pods.ask('open', { name: 'kafka-grpc', hostname: 'pod-1', port: port.kafka,
    address: `${network}.32`,
    check: { grpc: `${network}.32:${port.kafka}/isa.kafka.v1.Nothing` } });
  await until('a service that the server does not know is critical, with its reason', async () => {
    const check = await checkOf(unknown);
    return check.Status === 'critical' && /not.?found|unknown/i.test(check.Output);
  }, LEAVES);
});

scenario.step('TLS: verified by default, by the given name, or not at all', async () => {
  const tls = await certificate('vault-grpc.isa.test');
  const open = (hostname, n, check) => pods.ask('open', { name: 'vault-grpc', hostname,
    address: `${network}.${n}`, port: port.vault, tls, check });
  const skipping = await open('skipping', 33, { grpcusetls: true, tlsskipverify: true });
  const named = await open('named', 34, { grpcusetls: true, tlsskipverify: true,
    tlsservername: 'vault-grpc.isa.test' });
  const verifying = await open('verifying', 35, { grpcusetls: true,
    tlsservername: 'vault-grpc.isa.test' });
  const plain = await open('plain', 36, {});
  await turns(skipping, 'passing');
  await turns(named, 'passing');
  await until('a certificate that nobody vouches for is refused, with the reason', async () => {
    const check = await checkOf(verifying);
    return check.Status === 'critical' && /certificate/i.test(check.Output);
  }, LEAVES);
  await until('a plain check of a TLS port fails, with a reason', async () => {
    const check = await checkOf(plain);
    return check.Status === 'critical' && check.Output.length > 10;
  }, LEAVES);
  assert.deepEqual(await passing('vault-grpc'), ['vault-grpc-named', 'vault-grpc-skipping']);
});

scenario.step('a pod that hangs turns critical by timeout and comes back when it goes on',
  async () => {
    const stuck = node();
    const id = await stuck.ask('open', { name: 'redis-grpc', hostname: 'pod-2', port: port.redis,
      address: `${network}.37` });
    await turns(id, 'passing');
    stuck.signal('SIGSTOP');
    try {
      await turns(id, 'critical');
      assert.match((await checkOf(id)).Output, /deadline|time/i);
      assert.deepEqual(await passing('redis-grpc'), ['redis-grpc-pod-0', 'redis-grpc-pod-1']);
    } finally {
      stuck.signal('SIGCONT');
    }
    await turns(id, 'passing');
    stuck.signal('SIGTERM');
    assert.equal(await stuck.ended, 0);
    assert.deepEqual(await passing('redis-grpc'), ['redis-grpc-pod-0', 'redis-grpc-pod-1']);
  });

scenario.step('a pod registers again at a new address: one instance, nothing stale', async () => {
  const id = 'nats-grpc-pod-0';
  const seen = []; // what a client that follows the service is told, in order
  const watch = client.watch({ method: client.health.service,
    options: { service: 'nats-grpc', wait: '20s' } });
  watch.on('change', (entries) => seen.push(entries.map((e) => e.Service.Address)));
  watch.on('error', (e) => seen.push(e.message));
  await until('the watch has begun', () => seen.length === 1);
  const old = `${network}.16`;
  const fresh = `${network}.40`;
  await pods.ask('vanish', { id });
  assert.equal(await pods.ask('open', { name: 'nats-grpc', hostname: 'pod-0', port: port.nats,
    address: fresh, meta: { version: '1.0.1' } }), id);
  const [instance, ...more] = await client.catalog.service.nodes('nats-grpc');
  assert.deepEqual(more, []);
  assert.deepEqual([instance.ServiceID, instance.ServiceAddress, instance.ServiceMeta.version],
    [id, fresh, '1.0.1']);
  const tagged = instance.ServiceTaggedAddresses;
  assert.deepEqual(Object.values(tagged).map((t) => t.Address).filter((a) => a !== fresh), []);
  await turns(id, 'passing');
  assert.deepEqual(await endpoints(server, 'nats-grpc.service.consul'), [`${fresh}:${port.nats}`]);
  await until('the check has probed the new address',
    async () => (await checkOf(id)).Output === `gRPC check ${fresh}:${port.nats}: success`, LEAVES);
  assert.deepEqual(await whoAmI(`${fresh}:${port.nats}`), { id, address: fresh });
  await until('the watcher has the new address', () => seen[seen.length - 1].join() === fresh);
  watch.end();
  assert.ok(seen.every((list) => list.length === 1),
    `always one instance: ${JSON.stringify(seen)}`);
  // An output alone reaches the catalog minutes later, as in Consul; the agent has the newest.
  const instances = (await server.json('/v1/health/service/nats-grpc'))
    .map((e) => ({ ...e, Checks: e.Checks.map((c) => ({ ...c, Output: '' })) }));
  const everything = JSON.stringify([await server.json('/v1/agent/services'),
    await server.json('/v1/agent/checks'), instances]);
  assert.ok(!everything.includes(`${old}"`) && !everything.includes(`${old}:`),
    'the old address is still somewhere');
});

scenario.vital('the server is killed under writes and loses nothing acknowledged', async () => {
  const watched = ['/v1/catalog/services', '/v1/catalog/service/redis-grpc',
    '/v1/health/service/nats-grpc', '/v1/health/state/passing', '/v1/health/state/critical',
    '/v1/catalog/node/isa-cloud', '/v1/kv/?recurse', '/v1/health/service/never-there'];
  for (const round of [1, 2]) {
    const ledger = new Ledger(server, `round${round}`);
    ledger.start();
    await until('writes are acknowledged', () => ledger.acknowledged > 150 * round, 20);
    const before = await indexes(server, watched);
    assert.equal(await server.crash(), 'SIGKILL');
    await ledger.stop();
    await server.start();
    assert.deepEqual(await wentBack(server, before), []);
    assert.deepEqual(await ledger.complaints(), []);
    await ledger.remove();
  }
  const left = Object.keys(await client.agent.service.list()).filter((id) => id.includes('round'));
  assert.deepEqual(left, []);
  assert.deepEqual(await endpoints(server, 'nats-grpc.service.consul'),
    [`${network}.40:${port.nats}`]);
});

const reaped = { id: null };

scenario.step('after the restart the checks of all kinds go on', async () => {
  // One more pod, which dies now and whose fate a later step looks at.
  const doomed = node();
  reaped.id = await doomed.ask('open', { name: 'doomed-grpc', hostname: 'pod-0', port: port.doomed,
    address: `${network}.41`, check: { deregistercriticalserviceafter: '1s' } });
  await turns(reaped.id, 'passing');
  doomed.signal('SIGKILL');
  const id = 'loki-grpc-pod-0';
  await pods.ask('setStatus', { id, status: 'NOT_SERVING' });
  await turns(id, 'critical');
  await pods.ask('setStatus', { id, status: 'SERVING' });
  await turns(id, 'passing');
  assert.deepEqual(await passing('vault-grpc'), ['vault-grpc-named', 'vault-grpc-skipping']);
  await turns(reaped.id, 'critical');
  assert.match((await checkOf(reaped.id)).Output, /connection refused/i);
});

scenario.step('a pod that ends in order is gone at once', async () => {
  const leaving = node();
  const id = await leaving.ask('open', { name: 'minio-grpc', hostname: 'pod-1', port: port.minio,
    address: `${network}.42` });
  await turns(id, 'passing');
  leaving.signal('SIGTERM');
  assert.equal(await leaving.ended, 0);
  assert.deepEqual((await client.catalog.service.nodes('minio-grpc')).map((n) => n.ServiceID),
    ['minio-grpc-pod-0']);
  assert.equal(await checkOf(id), undefined);
});

scenario.step('the registry lives within the platform\'s memory limit', async () => {
  assert.ok(server.memory() < 256, `${server.memory()} MiB`);
});

scenario.step('a service that stays critical is deregistered after its time', async () => {
  await until('it is gone from the catalog', async () => (await client.catalog.service
    .nodes('doomed-grpc')).length === 0, REAPS);
  assert.equal(await checkOf(reaped.id), undefined);
  assert.equal((await client.catalog.service.nodes('redis-grpc')).length, 2);
});

scenario.step('the server ends in order', async () => {
  assert.equal(await server.stop(), 0);
});

// What the server wrote over all its lives.
const logLines = () => fs.readFileSync(server.log, 'utf8').split('\n').filter((l) => l !== '');

scenario.step('every line of the log is a JSON object that Loki can index', async () => {
  const lines = logLines();
  assert.ok(lines.length > 20, `only ${lines.length} lines`);
  for (const line of lines) {
    let entry;
    try {
      entry = JSON.parse(line);
    } catch (e) {
      throw new Error(`not JSON: ${line}`);
    }
    assert.match(entry['@timestamp'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,}(Z|[+-]\d\d:\d\d)$/);
    assert.match(entry['@level'], /^(trace|debug|info|warn|error)$/);
    assert.ok(entry['@message'].length > 0, line);
  }
});

// Lines that are no JSON are the step above's concern.
function logEntries() {
  return logLines().flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

scenario.step('a change of a check\'s state is one log line that names it', async () => {
  const of = (to) => logEntries().filter((e) => e.check === 'service:postgres-grpc-pod-1'
    && e.service === 'postgres-grpc-pod-1' && e.to === to);
  assert.equal(of('critical').length, 1);
  assert.equal(of('passing').length, 2); // the first time, and after NOT_SERVING
});

scenario.step('registering and deregistering are log lines that name the service', async () => {
  const of = (message) => logEntries().filter((e) => e['@message'] === message
    && e.service === 'minio-grpc-pod-1');
  assert.ok(of('Synced service').length >= 1, 'no "Synced service" line');
  assert.equal(of('Deregistered service').length, 1, 'no "Deregistered service" line');
});

scenario.run();
