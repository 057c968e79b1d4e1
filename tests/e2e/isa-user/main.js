'use strict';
// isa-user: 31 HTTP services with three replicas each behind a gateway; see README.md.

const assert = require('node:assert/strict');
const path = require('node:path');
const { Scenario, until, sleep } = require('../lib/scenario');
const { Server } = require('../lib/server');
const { Worker } = require('../lib/worker');
const { podNetwork, portShift, request } = require('../lib/net');
const { dig, addresses, endpoints } = require('../lib/dig');
const { Ledger, indexes, wentBack } = require('../lib/ledger');
const { SERVICES } = require('./services');
const { Gateway } = require('./gateway');
const { Traffic } = require('./traffic');

// Tier 1 is probed every second, the others every three; both below the platform's 10 s so that
// the story is short. MARGIN is what a busy machine may add to the promised interval+timeout+1 s.
const PACE = { 1: { interval: '1s', timeout: '1s' }, 2: { interval: '3s', timeout: '2s' } };
const MARGIN = 8;
const LEAVES_TIER_1 = 1 + 1 + 1 + MARGIN;
const LEAVES_TIER_2 = 3 + 2 + 1 + MARGIN;

const scenario = new Scenario('isa-user');
const server = new Server('isa-user');
const network = podNetwork();
const hosts = []; // three, with a replica of every service but auth_service
const auth = []; // hosts of auth_service alone, since that one is rolled
const all = SERVICES.map((s) => ({ ...s, ...PACE[s.tier === 1 ? 1 : 2] }));
const common = all.filter((s) => s.name !== 'auth_service');
const order = all.find((s) => s.name === 'order_service');
const LOGIN = { method: 'POST', path: '/api/v1/auth/login' };
const ORDERS = { method: 'GET', path: '/api/v1/order' };
let client;
let gateway;

async function openHost(address, instance, version, services) {
  const worker = new Worker(path.join(__dirname, 'host.js'),
    { CONSUL_HOST: '127.0.0.1', CONSUL_PORT: String(server.http) });
  await worker.ask('open', { address, instance, version, environment: 'staging', services });
  return worker;
}

const passing = async (name) => (await client.health.service({ service: name, passing: true }))
  .map((e) => e.Service.ID).sort();

async function all93Pass() {
  const checks = await client.health.state('passing');
  return checks.filter((c) => c.ServiceName.endsWith('_service')).length === 93;
}

async function checkOf(id) {
  return (await server.json('/v1/agent/checks'))[`service:${id}`];
}

// Until the instance is, or is not, where users would meet it.
async function seenEverywhere(name, id, address, there, seconds) {
  await until(`${id} is ${there ? 'in' : 'out of'} health/service?passing`,
    async () => (await passing(name)).includes(id) === there, seconds);
  await until(`${address} is ${there ? 'in' : 'out of'} DNS`,
    async () => (await addresses(server, `${name}.service.consul`)).includes(address) === there, 5);
  await until(`${id} is ${there ? 'in' : 'out of'} the gateway`,
    () => gateway.ids(name).includes(id) === there, 5);
}

// Requests meanwhile; none may fail.
async function withoutLoss(target, story) {
  const traffic = new Traffic(gateway.port);
  traffic.start(target);
  try {
    await story(traffic);
  } finally {
    await traffic.stop();
  }
  assert.deepEqual(traffic.failures.slice(0, 3), [],
    `${traffic.failures.length} of ${traffic.sent} requests failed`);
  assert.ok(traffic.sent > 20, `only ${traffic.sent} requests were sent`);
}

scenario.atEnd(() => server.running() && server.stop());

scenario.vital('a server starts on an empty directory', async () => {
  await server.start();
  client = server.client();
  const shift = await portShift(`${network}.1`, all.map((s) => s.port));
  all.forEach((service) => {
    service.port += shift;
  });
});

scenario.vital('31 services with 3 replicas register through the npm client', async () => {
  for (const n of [1, 2, 3]) {
    hosts.push(openHost(`${network}.${n}`, `host${n}`, '1.0.0', common));
    auth.push(openHost(`${network}.${10 + n}`, `blue${n}`, '1.0.0', [all[0]]));
  }
  hosts.splice(0, 3, ...await Promise.all(hosts));
  auth.splice(0, 3, ...await Promise.all(auth));
  assert.equal(Object.keys(await client.agent.service.list()).length, 93);
});

scenario.step('every instance turns passing once its check has passed', async () => {
  await until('93 checks pass', all93Pass, 3 + 2 + MARGIN);
});

scenario.step('the catalog shows name, address, port and metadata as they were registered',
  async () => {
    const services = await client.catalog.service.list();
    assert.deepEqual(Object.keys(services).sort(), ['consul', ...all.map((s) => s.name)].sort());
    for (const service of [all[0], all[9], all[30]]) {
      const nodes = await client.catalog.service.nodes(service.name);
      assert.equal(nodes.length, 3);
      for (const node of nodes) {
        assert.equal(node.ServicePort, service.port);
        assert.match(node.ServiceID, new RegExp(`^${service.name}-(host|blue)[123]$`));
        assert.match(node.ServiceAddress, /^127\./);
        assert.equal(node.ServiceMeta.version, '1.0.0');
        assert.equal(node.ServiceMeta.environment, 'staging');
        assert.deepEqual(JSON.parse(node.ServiceMeta.routes),
          { service: service.name, routes: service.routes });
      }
    }
  });

scenario.step('the output of an HTTP check is the status line and the body, as Consul writes it',
  async () => {
    const check = await checkOf('order_service-host1');
    assert.equal(check.Status, 'passing');
    assert.equal(check.Type, 'http');
    assert.equal(check.Output, `HTTP GET http://${network}.1:${order.port}/health: 200 OK Output: ${
      JSON.stringify({ status: 'healthy', service: 'order_service',
        dependencies: { postgres: 'connected', nats: 'connected' } })}`);
  });

scenario.vital('the gateway learns all services and instances by watches alone', async () => {
  gateway = new Gateway(server.client());
  scenario.atEnd(() => gateway.stop());
  await gateway.start();
  await until('31 upstreams with 3 instances', () => gateway.upstreams.size === 31
    && all.every((s) => gateway.ids(s.name).length === 3), 10);
  assert.equal(gateway.errors, 0);
});

scenario.step('routes reach the gateway with their methods and authentication flags', async () => {
  const routes = gateway.routes();
  assert.equal(routes.length, 3 + 30 * 2);
  assert.deepEqual(routes.filter((r) => r.service === 'auth_service')
    .map((r) => [r.path, r.methods.join(), r.auth]).sort(), [
    ['/api/v1/auth/api-keys', 'GET,POST', true],
    ['/api/v1/auth/login', 'POST', false],
    ['/api/v1/auth/refresh', 'POST', false],
  ]);
  const status = async (method, target) => (await request(gateway.port, method, target)).status;
  assert.equal(await status('POST', '/api/v1/auth/login'), 200);
  assert.equal(await status('GET', '/api/v1/auth/login'), 405);
  assert.equal(await status('GET', '/api/v1/auth/api-keys'), 401);
  assert.equal(await status('GET', '/api/v2/auth/login'), 404);
});

scenario.step('requests go round robin over the replicas', async () => {
  const traffic = new Traffic(gateway.port);
  for (let i = 0; i < 30; i += 1) {
    await traffic.one(LOGIN);
  }
  assert.deepEqual(traffic.failures, []);
  assert.deepEqual([...traffic.answered].sort(),
    [1, 2, 3].map((n) => [`auth_service-blue${n}`, 10]));
});

scenario.step('a service finds and calls a peer through catalog/service', async () => {
  const r = await request(gateway.port, 'GET', '/api/v1/order/status?peer=auth_service');
  assert.equal(r.status, 200, r.body);
  const { instances, status, answer } = JSON.parse(r.body);
  assert.deepEqual([instances, status, answer.service], [3, 200, 'auth_service']);
});

scenario.step('the operator resolves A records over UDP and TCP', async () => {
  const expected = [1, 2, 3].map((n) => `${network}.${n}`);
  for (const how of ['+notcp', '+tcp', '+noedns']) {
    for (const name of ['order_service.service.consul', 'order_service.service.dc1.consul',
      'ORDER_service.service.consul']) {
      assert.deepEqual(await addresses(server, name, how), expected, `${name} ${how}`);
    }
  }
  const seen = await dig(server, 'order_service.service.consul', 'A');
  assert.ok(seen.flags.includes('aa') && !seen.flags.includes('ra'), seen.flags.join());
  assert.deepEqual(await addresses(server, 'isa-user.node.consul'), ['127.0.0.1']);
});

scenario.step('the operator resolves SRV records with the addresses of their targets', async () => {
  const expected = [1, 2, 3].map((n) => `${network}.${n}:${order.port}`);
  for (const how of ['+notcp', '+tcp']) {
    assert.deepEqual(await endpoints(server, 'order_service.service.consul', how), expected, how);
    assert.deepEqual(await endpoints(server, '_order_service._tcp.service.consul', how), expected,
      how);
  }
  const tcp = await dig(server, 'order_service.service.consul', 'SRV', '+tcp');
  assert.ok(tcp.tcp);
  for (const record of tcp.answer) {
    const [priority, weight, port, target] = record.data.split(' ');
    assert.deepEqual([priority, weight, port], ['1', '1', String(order.port)]);
    assert.match(target, /^7f[0-9a-f]{6}\.addr\.dc1\.consul\.$/);
    assert.deepEqual(await addresses(server, target), // the target resolves by itself, too
      [Buffer.from(target.slice(0, 8), 'hex').join('.')]);
  }
});

scenario.step('names and types that do not exist are denied with the zone\'s SOA', async () => {
  for (const name of ['nothing.service.consul', 'nothing.node.consul', 'nothing.consul']) {
    const seen = await dig(server, name, 'A');
    assert.equal(seen.rcode, 'NXDOMAIN', name);
    assert.deepEqual(seen.authority.map((r) => [r.name, r.type]), [['consul.', 'SOA']], name);
  }
  const seen = await dig(server, 'order_service.service.consul', 'AAAA');
  assert.equal(seen.rcode, 'NOERROR');
  assert.deepEqual(seen.answer, []);
  assert.deepEqual(seen.authority.map((r) => r.type), ['SOA']);
  assert.equal((await dig(server, 'www.example.com', 'A')).rcode, 'REFUSED');
});

scenario.step('a wide service is whole over TCP and with EDNS, three records without', async () => {
  const wide = [];
  for (let n = 1; n <= 20; n += 1) {
    wide.push(`10.20.0.${n}`);
    await client.agent.service.register({ id: `wide-${n}`, name: 'wide', address: `10.20.0.${n}`,
      port: 9000 + n });
  }
  wide.sort();
  assert.deepEqual(await addresses(server, 'wide.service.consul', '+tcp'), wide);
  assert.deepEqual(await addresses(server, 'wide.service.consul', '+bufsize=4096'), wide);
  assert.equal((await endpoints(server, 'wide.service.consul', '+tcp')).length, 20);
  const plain = await dig(server, 'wide.service.consul', 'A', '+noedns', '+ignore');
  assert.equal(plain.answer.length, 3);
  assert.ok(plain.size <= 512, `${plain.size} bytes`);
  const seen = new Set();
  await until('different records come to the front', async () => {
    (await addresses(server, 'wide.service.consul', '+noedns')).forEach((a) => seen.add(a));
    return seen.size > 6;
  });
  for (let n = 1; n <= 20; n += 1) {
    await client.agent.service.deregister(`wide-${n}`);
  }
  assert.equal((await dig(server, 'wide.service.consul', 'A')).rcode, 'NXDOMAIN');
});

scenario.step('the operator reads the cluster with the command line', async () => {
  const members = await server.cli('members');
  assert.equal(members.status, 0, members.err);
  assert.match(members.out, /^Node +Address +Status +Type +Build +Protocol +DC +.*Segment\n/);
  assert.match(members.out, /\nisa-user +127\.0\.0\.1:\d+ +alive +server +/);
  assert.equal((await server.cli('members', '-status=failed')).status, 2);

  const services = await server.cli('catalog', 'services');
  assert.deepEqual(services.out.trim().split('\n').map((s) => s.trim()).sort(),
    ['consul', ...all.map((s) => s.name)].sort());
  const nodes = await server.cli('catalog', 'nodes');
  assert.match(nodes.out, /^Node +ID +Address +DC\nisa-user +[0-9a-f]{8} +127\.0\.0\.1 +dc1\n$/);
  assert.match((await server.cli('catalog', 'nodes', '-service=auth_service')).out, /isa-user/);

  const info = await server.cli('info');
  assert.equal(info.status, 0, info.err);
  assert.match(info.out, /^agent:\n/);
  assert.match(info.out, /\n\tservices = 93\n/);
  const version = await server.cli('version');
  assert.equal(version.status, 0);
  assert.match(version.out, /v\d+\.\d+\.\d+/);
  assert.match(JSON.parse((await server.cli('version', '-format=json')).out).Version,
    /^\d+\.\d+\.\d+$/);
});

scenario.step('the operator keeps settings in the key-value store', async () => {
  const expect = async (args, status, out) => {
    const r = await server.cli('kv', ...args);
    assert.equal(r.status, status, `kv ${args.join(' ')}: ${r.out}${r.err}`);
    assert.match(status === 0 ? r.out : r.err, out);
  };
  await expect(['put', 'config/rate limit/auth', '120/min'], 0,
    /^Success! Data written to: config\/rate limit\/auth\n$/);
  await expect(['get', 'config/rate limit/auth'], 0, /^120\/min\n$/);
  assert.equal((await client.kv.get('config/rate limit/auth')).Value, '120/min');
  await client.kv.set('config/größe', 'zwölf');
  await expect(['get', 'config/größe'], 0, /^zwölf\n$/);
  await expect(['get', '-recurse', 'config/'], 0, /config\/rate limit\/auth:120\/min\n/);
  await expect(['get', '-keys', 'config/'], 0, /^config\/größe\nconfig\/rate limit\/\n$/);
  const { ModifyIndex } = await client.kv.get('config/größe');
  await expect(['put', '-cas', '-modify-index=1', 'config/größe', 'x'], 1, /CAS failed/);
  await expect(['put', '-cas', `-modify-index=${ModifyIndex}`, 'config/größe', 'dreizehn'], 0,
    /Success/);
  await expect(['get', '-detailed', 'config/größe'], 0,
    /ModifyIndex +\d+\n[^]*Value +dreizehn\n/);
  await expect(['get', 'config/nothing'], 1, /No key exists at: config\/nothing/);
  await expect(['delete', '-recurse', 'config/'], 0, /Deleted keys with prefix: config\//);
  assert.equal(await client.kv.get('config/größe'), undefined);
});

scenario.step('the operator registers and deregisters a service by hand', async () => {
  const put = await server.cli('services', 'register', '-name=legacy-crm', '-id=crm-1',
    '-address=10.1.2.3', '-port=8080', '-tag=manual', '-meta=owner=ops');
  assert.equal(put.status, 0, put.err);
  assert.match(put.out, /^Registered service: legacy-crm\n/);
  const [node] = await client.catalog.service.nodes('legacy-crm');
  assert.deepEqual([node.ServiceID, node.ServiceAddress, node.ServicePort, node.ServiceTags,
    node.ServiceMeta.owner], ['crm-1', '10.1.2.3', 8080, ['manual'], 'ops']);
  assert.deepEqual(await endpoints(server, 'manual.legacy-crm.service.consul'), ['10.1.2.3:8080']);
  const gone = await server.cli('services', 'deregister', '-id=crm-1');
  assert.equal(gone.status, 0, gone.err);
  assert.deepEqual(await client.catalog.service.nodes('legacy-crm'), []);
});

for (const [mode, status, output] of [
  ['failing', 'critical', /^HTTP GET http:\/\/127\.\S+: 503 Service Unavailable Output: \{/],
  ['hanging', 'critical', /(timeout|deadline|timed out)/i],
  ['busy', 'warning', /^HTTP GET http:\/\/127\.\S+: 429 Too Many Requests Output: \{/],
]) {
  scenario.step(`a ${mode} instance turns ${status} and leaves, a recovered one comes back`,
    async () => {
      const id = 'order_service-host2';
      const address = `${network}.2`;
      await withoutLoss(ORDERS, async () => {
        await hosts[1].ask('setHealth', { id, mode });
        if (status === 'critical') {
          await seenEverywhere('order_service', id, address, false, LEAVES_TIER_1);
        } else { // a warning costs the traffic of ?passing only
          await until(`${id} is out of health/service?passing`,
            async () => !(await passing('order_service')).includes(id), LEAVES_TIER_1);
          assert.ok((await addresses(server, 'order_service.service.consul')).includes(address));
        }
        const check = await checkOf(id);
        assert.equal(check.Status, status);
        assert.match(check.Output, output);
        assert.deepEqual(await passing('order_service'),
          ['order_service-host1', 'order_service-host3']);
        await hosts[1].ask('setHealth', { id, mode: 'ok' });
        await seenEverywhere('order_service', id, address, true, LEAVES_TIER_1);
      });
    });
}

scenario.step('a TTL check lives on its heartbeats', async () => {
  const id = 'event_worker-1';
  const check = `service:${id}`;
  await client.agent.service.register({ id, name: 'event_worker', address: `${network}.1`, port: 1,
    check: { ttl: '2s' } });
  assert.equal((await checkOf(id)).Status, 'critical');
  for (let n = 0; n < 10; n += 1) { // far longer than the TTL
    await client.agent.check.pass({ id: check, note: `batch ${n}` });
    assert.deepEqual(await passing('event_worker'), [id]);
    await sleep(300);
  }
  assert.equal((await checkOf(id)).Output, 'batch 9');
  await client.agent.check.warn({ id: check, note: 'lagging' });
  assert.equal((await client.health.checks('event_worker'))[0].Status, 'warning');
  await client.agent.check.pass(check);
  await until('the TTL expires without heartbeats',
    async () => (await passing('event_worker')).length === 0, 2 + 1 + MARGIN);
  assert.match((await checkOf(id)).Output, /^TTL expired/);
  await client.agent.check.pass(check);
  assert.deepEqual(await passing('event_worker'), [id]);
  await client.agent.check.fail({ id: check, note: 'broken' });
  assert.deepEqual(await passing('event_worker'), []);
  await client.agent.service.deregister(id);
  assert.deepEqual(await client.catalog.service.nodes('event_worker'), []);
});

// A blocking query that is parked now: {target, index, answer}; answer is null until it returns.
async function park(target) {
  const waiting = { target, index: await server.index(target), answer: null };
  const sign = target.includes('?') ? '&' : '?';
  waiting.done = server.request('GET', `${target}${sign}index=${waiting.index}&wait=60s`,
    { seconds: 70 }).then((r) => {
    waiting.answer = r;
  });
  return waiting;
}

scenario.step('blocking queries wake when their resource changes, and only then', async () => {
  await client.kv.set('quiet/key', 'old');
  const quiet = ['weather_service', 'album_service', 'membership_service'];
  const before = quiet.map((name) => gateway.upstreams.get(name).changes);
  const parked = await Promise.all(['/v1/health/service/task_service?passing',
    '/v1/health/service/task_service', '/v1/health/checks/task_service', '/v1/kv/quiet/key',
    '/v1/kv/quiet/?recurse', '/v1/kv/quiet/?keys', '/v1/catalog/service/not_yet'].map(park));
  await client.agent.service.register({ id: 'loud-1', name: 'loud', address: '10.0.0.1', port: 1,
    check: { ttl: '1m' } });
  for (let n = 0; n < 25; n += 1) {
    await client.agent.check[n % 2 ? 'pass' : 'fail']('service:loud-1');
    await client.kv.set(`loud/${n}`, 'x');
    await client.kv.set('quiet/key', 'old'); // the same value is no change
  }
  await client.agent.service.deregister('loud-1');
  await client.kv.del({ key: 'loud/', recurse: true });
  await sleep(200);
  // health/checks follows the whole table of checks, as in Consul.
  const woken = parked.filter((w) => w.answer).map((w) => w.target);
  assert.deepEqual(woken.filter((t) => t !== '/v1/health/checks/task_service'), []);
  assert.deepEqual(quiet.map((name) => gateway.upstreams.get(name).changes), before);

  await client.kv.set('quiet/key', 'new');
  await client.agent.service.register({ id: 'not_yet', name: 'not_yet', port: 1 });
  await hosts[0].ask('setHealth', { id: 'task_service-host1', mode: 'failing' });
  await until('all are woken', () => parked.every((w) => w.answer), LEAVES_TIER_1);
  for (const { target, index, answer } of parked) {
    assert.equal(answer.status, 200, target);
    assert.ok(BigInt(answer.headers['x-consul-index']) > index, target);
  }
  await until('the gateway drops task_service-host1',
    () => !gateway.ids('task_service').includes('task_service-host1'), 5);
  await hosts[0].ask('setHealth', { id: 'task_service-host1', mode: 'ok' });
  await until('the gateway takes it back',
    () => gateway.ids('task_service').includes('task_service-host1'), LEAVES_TIER_1);
  await client.agent.service.deregister('not_yet');
  await client.kv.del({ key: 'quiet/', recurse: true });
});

scenario.step('a rolling deploy loses no request', async () => {
  await withoutLoss(LOGIN, async (traffic) => {
    for (const n of [1, 2, 3]) {
      const green = await openHost(`${network}.${20 + n}`, `green${n}`, '1.1.0', [all[0]]);
      await seenEverywhere('auth_service', `auth_service-green${n}`, `${network}.${20 + n}`, true,
        LEAVES_TIER_1);
      auth[n - 1].signal('SIGTERM');
      await seenEverywhere('auth_service', `auth_service-blue${n}`, `${network}.${10 + n}`, false,
        5);
      assert.equal(await auth[n - 1].ended, 0);
      auth[n - 1] = green;
    }
    const old = new Map(traffic.answered);
    await sleep(300);
    for (const n of [1, 2, 3]) {
      assert.equal(traffic.answered.get(`auth_service-blue${n}`), old.get(`auth_service-blue${n}`),
        'an old instance still answers');
      assert.ok(traffic.answered.get(`auth_service-green${n}`) > 0);
    }
  });
  const nodes = await client.catalog.service.nodes('auth_service');
  assert.deepEqual(nodes.map((n) => [n.ServiceID, n.ServiceMeta.version]).sort(),
    [1, 2, 3].map((n) => [`auth_service-green${n}`, '1.1.0']));
});

scenario.vital('the server is killed under writes; users notice nothing', async () => {
  const ledger = new Ledger(server, 'crash');
  const watched = ['/v1/catalog/services', '/v1/catalog/nodes', '/v1/catalog/service/auth_service',
    '/v1/health/service/auth_service?passing', '/v1/health/service/order_service',
    '/v1/health/state/any', '/v1/health/checks/task_service', '/v1/health/node/isa-user',
    '/v1/catalog/node/isa-user', '/v1/kv/settled', '/v1/kv/settled?recurse',
    '/v1/health/service/no_such_service', '/v1/kv/no/such/key'];
  await client.kv.set('settled', 'before the crash');
  await client.agent.service.register({ id: 'long_lived', name: 'long_lived', port: 7,
    check: { ttl: '10m' } });
  await client.agent.check.pass({ id: 'service:long_lived', note: 'fine before the crash' });
  const instancesBefore = Object.keys(await client.agent.service.list()).sort();
  await withoutLoss(ORDERS, async () => {
    ledger.start();
    await until('some hundred writes are acknowledged', () => ledger.acknowledged > 300, 20);
    const before = await indexes(server, watched);
    assert.equal(await server.crash(), 'SIGKILL');
    await ledger.stop();
    await sleep(700); // the gateway goes on with what it knows
    await server.start();
    assert.deepEqual(await wentBack(server, before), []);
    assert.deepEqual(await ledger.complaints(), []);
    await until('all instances pass again or still', all93Pass, LEAVES_TIER_2);
  });
  assert.equal((await client.kv.get('settled')).Value, 'before the crash');
  const check = await checkOf('long_lived');
  assert.deepEqual([check.Status, check.Output], ['passing', 'fine before the crash']);
  await client.agent.service.deregister('long_lived');
  await ledger.remove();
  assert.deepEqual(Object.keys(await client.agent.service.list()).sort(),
    instancesBefore.filter((id) => id !== 'long_lived'));
});

scenario.step('after the restart checks and watches go on', async () => {
  const id = 'payment_service-host3';
  await hosts[2].ask('setHealth', { id, mode: 'failing' });
  await seenEverywhere('payment_service', id, `${network}.3`, false, LEAVES_TIER_1);
  await hosts[2].ask('setHealth', { id, mode: 'ok' });
  await seenEverywhere('payment_service', id, `${network}.3`, true, LEAVES_TIER_1);
});

scenario.step('a machine dies: its 30 instances leave, the others serve on', async () => {
  hosts[2].signal('SIGKILL');
  assert.equal(await hosts[2].ended, 'SIGKILL');
  await until('all of its instances are critical', async () => {
    const checks = await client.health.state('critical');
    return checks.filter((c) => c.ServiceID.endsWith('-host3')).length === 30;
  }, LEAVES_TIER_2);
  await until('the gateway dropped them', () => common.every((s) => gateway.ids(s.name)
    .join() === `${s.name}-host1,${s.name}-host2`), 5);
  await withoutLoss(ORDERS, () => sleep(300));
  assert.match((await checkOf('order_service-host3')).Output, /connection refused/);
  // Nobody deregistered them, so they are still in the catalog.
  assert.equal((await client.catalog.service.nodes('order_service')).length, 3);
  for (const { name } of common) {
    await client.agent.service.deregister(`${name}-host3`);
  }
});

scenario.step('services that end leave the catalog and take their routes along', async () => {
  const ending = [hosts[0], hosts[1], ...auth];
  ending.forEach((host) => host.signal('SIGTERM'));
  await until('the catalog is empty but for the registry itself', async () => Object.keys(
    await client.catalog.service.list()).join() === 'consul', 10);
  await until('the gateway has no route', () => gateway.routes().length === 0, 5);
  assert.deepEqual(await Promise.all(ending.map((host) => host.ended)), [0, 0, 0, 0, 0]);
  assert.equal((await request(gateway.port, 'POST', LOGIN.path)).status, 404);
  assert.equal((await dig(server, 'auth_service.service.consul', 'A')).rcode, 'NXDOMAIN');
});

scenario.step('the server ends in order, with watches still parked', async () => {
  assert.equal(await server.stop(), 0);
});

scenario.run();
