'use strict';
// What careless, broken and hostile clients send, and what careless operators ask for; see
// README.md.

const assert = require('node:assert/strict');
const dgram = require('node:dgram');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { Scenario, until } = require('../lib/scenario');
const { Server, BINARY, DIR } = require('../lib/server');
const { program } = require('../lib/processes');
const { rawTcp } = require('../lib/net');
const { dig, addresses } = require('../lib/dig');

const scenario = new Scenario('bad-input');
const server = new Server('bad-input');
const REGISTER = '/v1/agent/service/register';
const HALF_OPEN = 60; // of each kind; below Consul's 200 connections for one client
const SLOW_CUT_SECONDS = 30; // Rollcall gives a header 10 s; a body may take longer
let client;

// The server is the same process and does its work.
async function goesOn() {
  assert.ok(server.running(), 'the server ended');
  const key = `alive/${Math.random()}`;
  assert.equal(await client.kv.set(key, 'yes'), true);
  assert.equal((await client.kv.get(key)).Value, 'yes');
  assert.deepEqual(await addresses(server, 'steady.service.consul'), ['10.0.0.1']);
  assert.equal((await client.health.service({ service: 'steady', passing: true })).length, 1);
}

function refused(name, cases) {
  scenario.step(name, async () => {
    for (const [what, method, target, body, status, text] of cases) {
      const r = await server.request(method, target, { body });
      assert.equal(r.status, status, `${what}: ${r.status} ${r.body}`);
      assert.match(r.body, text, what);
      assert.ok(r.body.length < 1000, `${what}: a sentence, not ${r.body.length} bytes`);
    }
    await goesOn();
    assert.deepEqual(Object.keys(await client.agent.service.list()), ['steady']);
  });
}

scenario.atEnd(() => server.running() && server.stop());

scenario.vital('a server starts, with one good service', async () => {
  await server.start();
  client = server.client();
  await client.agent.service.register({ name: 'steady', address: '10.0.0.1', port: 80,
    check: { ttl: '10m', status: 'passing' } });
  await goesOn();
});

// Opened now, looked at again near the end.
const halfOpen = [];
scenario.step('half-open connections do not keep others from being served', async () => {
  const halves = ['GET /v1/status/leader HTTP/1.1\r\nHost: a\r\nX-Never-Ends: ',
    'PUT /v1/kv/half HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc', 'G', ''];
  for (let n = 0; n < HALF_OPEN; n += 1) {
    const s = net.connect(server.http, '127.0.0.1');
    s.gone = false;
    s.on('error', () => {});
    s.on('data', () => {});
    s.on('close', () => {
      s.gone = true;
    });
    s.half = halves[n % halves.length];
    s.write(s.half);
    halfOpen.push(s);
  }
  for (let n = 0; n < 10; n += 1) {
    await goesOn();
  }
});

refused('a body that is no JSON, or of another shape, is 400 with the reason', [
  ['empty', 'PUT', REGISTER, '', 400, /^Request decode failed: EOF/],
  ['cut off', 'PUT', REGISTER, '{"Name": "a"', 400, /^Request decode failed: unexpected EOF/],
  ['no JSON', 'PUT', REGISTER, 'name=web', 400, /^Request decode failed: invalid character/],
  ['an array', 'PUT', REGISTER, '[]', 400, /^Request decode failed: json: cannot unmarshal array/],
  ['deep nesting', 'PUT', REGISTER, '['.repeat(100000), 400, /^Request decode failed: /],
  ['bytes', 'PUT', REGISTER, Buffer.from([0xff, 0xfe, 0, 1]), 400, /^Request decode failed: /],
  ['check', 'PUT', '/v1/agent/check/register', '{', 400, /^Request decode failed: unexpected EOF/],
  ['catalog', 'PUT', '/v1/catalog/register', '{"Node": ', 400, /^Request decode failed: /],
]);

refused('a field that is unknown, missing or of the wrong type is 400 and named', [
  ['unknown', 'PUT', REGISTER, { Name: 'a', Colour: 'red' }, 400,
    /^Request decode failed: json: unknown field "Colour"$/],
  ['unknown in check', 'PUT', REGISTER, { Name: 'a', Check: { TTL: '1s', Colour: 1 } }, 400,
    /unknown field "Colour"/],
  ['no name', 'PUT', REGISTER, { ID: 'only-an-id' }, 400, /^Missing service name$/],
  ['empty name', 'PUT', REGISTER, { Name: '' }, 400, /^Missing service name$/],
  ['text port', 'PUT', REGISTER, { Name: 'a', Port: '80' }, 400,
    /cannot unmarshal string into Go struct field .*Port of type int/],
  ['list of tags', 'PUT', REGISTER, { Name: 'a', Tags: 'v1' }, 400,
    /cannot unmarshal string .*Tags/],
  ['metadata key', 'PUT', REGISTER, { Name: 'a', Meta: { 'bad key!': 'v' } }, 400,
    /^Invalid Service Meta: .*bad key!.*Key contains invalid characters/],
  ['metadata size', 'PUT', REGISTER, { Name: 'a', Meta: { k: 'v'.repeat(513) } }, 400,
    /^Invalid Service Meta: .*Value is too long/],
  ['address', 'PUT', REGISTER, { Name: 'a', Address: '0.0.0.0' }, 400, /^Invalid service address$/],
  ['weights', 'PUT', REGISTER, { Name: 'a', Weights: { Passing: 0, Warning: 1 } }, 400,
    /Passing must be greater than 0/],
  ['duration', 'PUT', REGISTER, { Name: 'a', Check: { TTL: 'ten' } }, 400,
    /time: invalid duration "?ten"?/],
  ['no interval', 'PUT', REGISTER, { Name: 'a', Check: { HTTP: 'http://127.0.0.1:1/' } }, 400,
    /Interval must be > 0/],
  ['status', 'PUT', REGISTER, { Name: 'a', Check: { TTL: '5s', Status: 'fine' } }, 400,
    /Status for checks must 'passing', 'warning', 'critical'/],
]);

refused('wrong paths, methods, ids and parameters get Consul\'s status', [
  ['path', 'GET', '/v1/nothing', undefined, 404, /Invalid URL path: not a recognized HTTP API/],
  ['method', 'POST', REGISTER, '{}', 405, /^method POST not allowed$/],
  ['index', 'GET', '/v1/kv/a?index=x', undefined, 400, /^Invalid index$/],
  ['wait', 'GET', '/v1/kv/a?index=1&wait=x', undefined, 400, /^Invalid wait time$/],
  ['modes', 'GET', '/v1/catalog/nodes?stale&consistent', undefined, 400,
    /^Cannot specify \?stale with \?consistent, conflicting semantics\.$/],
  ['passing', 'GET', '/v1/health/service/steady?passing=maybe', undefined, 400,
    /^Invalid value for \?passing$/],
  ['no name', 'GET', '/v1/health/service/', undefined, 400, /^Missing service name$/],
  ['no key', 'PUT', '/v1/kv/', 'x', 400, /^Missing key name$/],
  ['datacenter', 'GET', '/v1/catalog/nodes?dc=mars', undefined, 500, /^No path to datacenter$/],
  ['unknown id', 'PUT', '/v1/agent/service/deregister/none', undefined, 404,
    /^Unknown service ID "none"/],
  ['unknown check', 'PUT', '/v1/agent/check/pass/none', undefined, 404,
    /[Uu]nknown check ID "none"/],
]);

scenario.step('a port of 70000 is taken as Consul takes it, and does not upset DNS', async () => {
  const r = await server.request('PUT', REGISTER,
    { body: { Name: 'odd', Address: '10.0.0.7', Port: 70000 } });
  assert.equal(r.status, 200, r.body);
  assert.equal((await client.catalog.service.nodes('odd'))[0].ServicePort, 70000);
  const seen = await dig(server, 'odd.service.consul', 'SRV');
  assert.equal(seen.rcode, 'NOERROR');
  assert.equal(seen.answer.length, 1);
  assert.deepEqual(await addresses(server, 'odd.service.consul'), ['10.0.0.7']);
  await client.agent.service.deregister('odd');
  await goesOn();
});

scenario.step('a value above 512 KiB is 413, one of exactly 512 KiB is kept', async () => {
  const max = 512 * 1024;
  assert.equal((await server.request('PUT', '/v1/kv/big', { body: Buffer.alloc(max, 'm') })).body,
    'true');
  for (const size of [max + 1, 600 * 1024, 3 * 1024 * 1024]) {
    const r = await server.request('PUT', '/v1/kv/big', { body: Buffer.alloc(size, 'x') });
    assert.equal(r.status, 413, `${size}: ${r.body}`);
    assert.match(r.body, new RegExp(
      `^Request body\\(${size} bytes\\) too large, max size: 524288 bytes`));
  }
  const kept = await server.request('GET', '/v1/kv/big?raw');
  assert.ok(kept.bytes.equals(Buffer.alloc(max, 'm')), 'the old value was hurt');
  const chunked = await rawTcp(server.http, Buffer.concat([Buffer.from(
    'PUT /v1/kv/chunked HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n'
    + `\r\n${(4 * max).toString(16)}\r\n`), Buffer.alloc(4 * max, 'c'),
  Buffer.from('\r\n0\r\n\r\n')]));
  assert.match(chunked.text, /^HTTP\/1\.1 413 /);
  await goesOn();
});

scenario.step('a header above 1 MiB is 431, one of 100 KB is fine', async () => {
  const get = (n) => rawTcp(server.http, 'GET /v1/status/leader HTTP/1.1\r\nHost: a\r\n'
    + `Connection: close\r\nX-Long: ${'x'.repeat(n)}\r\n\r\n`);
  assert.match((await get(100000)).text, /^HTTP\/1\.1 200 /);
  const long = await get(1200000);
  assert.match(long.text, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
  assert.ok(long.closed);
  const many = await rawTcp(server.http, 'GET /v1/status/leader HTTP/1.1\r\nHost: a\r\n'
    + `Connection: close\r\n${'X-A: b\r\n'.repeat(160000)}\r\n`);
  assert.match(many.text, /^HTTP\/1\.1 431 /);
  await goesOn();
});

scenario.step('what is no HTTP is 400 and the connection is closed', async () => {
  const host = 'Host: a\r\n';
  for (const [text, status] of [
    ['nonsense\r\n\r\n', 400],
    ['GET /v1/status/leader HTTP/1.1\r\n\r\n', 400], // no Host
    [`GET /v1/kv/a b HTTP/1.1\r\n${host}\r\n`, 400],
    [`GET /v1/kv/a HTTP/1.1\r\n${host}Bad Header: x\r\n\r\n`, 400],
    [`GET /v1/kv/a HTTP/2.0\r\n${host}\r\n`, 505],
    [`PUT /v1/kv/a HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`, 400],
    [`PUT /v1/kv/a HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\nabc`, 400],
    [`PUT /v1/kv/a HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n`, 500],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400], // a TLS client
  ]) {
    const r = await rawTcp(server.http, Buffer.from(text, 'latin1'));
    assert.match(r.text, new RegExp(`^HTTP/1\\.[01] ${status} `), JSON.stringify(text));
    assert.ok(r.closed, JSON.stringify(text));
  }
  assert.equal(await client.kv.get('a'), undefined);
  await goesOn();
});

// Packets from a fixed seed, so that a failure can be had again: pure noise, and good queries with
// some bytes changed.
function* garbage(count) {
  let state = 20260;
  const random = (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % n;
  };
  const good = Buffer.from('123401000001000000000001' // one question, one additional record
    + '06737465616479' + '0773657276696365' + '06636f6e73756c00' + '00210001' // SRV, IN
    + '0000291000000000000000', 'hex'); // EDNS, 4096 bytes
  for (let n = 0; n < count; n += 1) {
    if (n % 3 === 0) {
      yield Buffer.from(Array.from({ length: random(300) }, () => random(256)));
    } else {
      const packet = Buffer.from(good.subarray(0, 12 + random(good.length - 11)));
      for (let change = 0; change <= random(4); change += 1) {
        packet[random(packet.length)] = random(256);
      }
      yield packet;
    }
  }
}

scenario.step('DNS garbage over UDP is survived', async () => {
  const socket = dgram.createSocket('udp4');
  socket.on('error', () => {});
  for (const packet of garbage(3000)) {
    await new Promise((resolve) => {
      socket.send(packet, server.dns, '127.0.0.1', resolve);
    });
  }
  socket.close();
  await goesOn();
});

scenario.step('DNS garbage over TCP is survived', async () => {
  for (const packet of garbage(60)) {
    const size = Buffer.alloc(2);
    size.writeUInt16BE(packet.length);
    await rawTcp(server.dns, Buffer.concat([size, packet]),
      { seconds: 0.1, enough: (t) => t.length > 2 });
  }
  // A length without a message, and connections that never say anything.
  const silent = Array.from({ length: 20 }, (_, n) => {
    const s = net.connect(server.dns, '127.0.0.1');
    s.on('error', () => {});
    s.write(n % 2 ? Buffer.from([0xff, 0xff, 1]) : '');
    return s;
  });
  assert.deepEqual(await addresses(server, 'steady.service.consul', '+tcp'), ['10.0.0.1']);
  silent.forEach((s) => s.destroy());
  await goesOn();
});

// Start an agent that must refuse: it ends by itself, not with 0, and says why.
async function mustRefuse(args, reasons, options) {
  const r = await program(options && options.binary ? options.binary : BINARY, ['agent', '-server',
    '-bootstrap-expect=1', '-node=other', '-bind=127.0.0.1', '-client=127.0.0.1', ...args],
  { seconds: 10, options: options && options.spawn });
  const said = r.out + r.err;
  assert.ok(Number.isInteger(r.status) && r.status > 0 && r.status < 128,
    `it ended with ${r.status}: ${said}`);
  for (const reason of reasons) {
    assert.match(said, reason);
  }
}

// A configuration file for one more server, with ports of its own; `change` may alter it.
async function otherFile(change = (c) => c) {
  const other = new Server(`other-${Math.random().toString(36).slice(2)}`);
  await other.prepare();
  fs.rmSync(other.log);
  const config = JSON.parse(fs.readFileSync(other.file, 'utf8'));
  const text = change(config);
  fs.writeFileSync(other.file, typeof text === 'string' ? text : JSON.stringify(text));
  return other;
}

scenario.step('a data directory that cannot be written is refused with its path', async () => {
  const file = path.join(DIR, 'a-file');
  fs.writeFileSync(file, '');
  const other = await otherFile();
  await mustRefuse([`-config-file=${other.file}`, `-data-dir=${file}/data`],
    [/a-file/, /[Nn]ot a directory/]);

  // Without rights: as another user if this one may do everything.
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'rollcall-e2e-'));
  const binary = path.join(place, 'rollcall');
  const config = path.join(place, 'agent.json');
  try {
    fs.copyFileSync(BINARY, binary);
    fs.copyFileSync(other.file, config);
    fs.chmodSync(binary, 0o755);
    fs.chmodSync(config, 0o644);
    fs.mkdirSync(path.join(place, 'locked'));
    fs.chmodSync(path.join(place, 'locked'), 0o555);
    fs.chmodSync(place, 0o755);
    const nobody = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
    for (const dir of ['locked', 'locked/data']) {
      await mustRefuse([`-config-file=${config}`, `-data-dir=${path.join(place, dir)}`],
        [/locked/, /[Pp]ermission denied/], { binary, spawn: nobody });
    }
  } finally {
    fs.rmSync(place, { recursive: true });
  }
});

scenario.step('a data directory, HTTP port or DNS port in use is refused and named', async () => {
  const same = await otherFile();
  await mustRefuse([`-config-file=${same.file}`, `-data-dir=${server.data}`], [/data/, /in use/i]);
  const http = await otherFile((c) => ({ ...c, ports: { ...c.ports, http: server.http } }));
  await mustRefuse([`-config-file=${http.file}`, `-data-dir=${http.data}`],
    [new RegExp(`:${server.http}\\b`), /in use/i]);
  const dns = await otherFile((c) => ({ ...c, ports: { ...c.ports, dns: server.dns } }));
  await mustRefuse([`-config-file=${dns.file}`, `-data-dir=${dns.data}`],
    [new RegExp(`:${server.dns}\\b`), /in use/i]);
  await goesOn();
});

scenario.step('an unknown key, broken JSON or a bad value in a file is refused', async () => {
  for (const [change, ...reasons] of [
    [(c) => ({ ...c, data_dri: '/x' }), /invalid config key data_dri/],
    [() => '{"ports": {', /agent\.json/],
    [(c) => ({ ...c, ports: { ...c.ports, http: 'eighty' } }), /ports\.http/],
    [(c) => ({ ...c, log_level: 'LOUD' }), /log_level|[Ll]og level/],
    [(c) => ({ ...c, check_update_interval: 'often' }), /check_update_interval/],
  ]) {
    const other = await otherFile(change);
    await mustRefuse([`-config-file=${other.file}`, `-data-dir=${other.data}`], reasons);
  }
  const other = await otherFile();
  await mustRefuse([`-config-file=${other.file}`], [/data.?dir/i]); // none given
  await mustRefuse([`-config-file=${other.file}.missing`, `-data-dir=${other.data}`],
    [/\.missing/, /[Nn]o such file/]);
  await mustRefuse(['-no-such-flag'], [/no-such-flag/]);
});

scenario.step('the command line says what is wrong and exits with 1', async () => {
  for (const [args, reason] of [
    [['kv', 'get'], /Missing KEY/],
    [['kv', 'get', 'no/such/key'], /No key exists at: no\/such\/key/],
    [['services', 'deregister', '-id=nobody'], /nobody/],
    [['catalog', 'nodes', '-no-such-flag'], /no-such-flag/],
    [['kv', 'get', '-http-addr=127.0.0.1:1', 'a'], /connection refused/i],
  ]) {
    const r = await server.cli(...args);
    assert.equal(r.status, 1, `${args.join(' ')}: ${r.out}${r.err}`);
    assert.match(r.err, reason);
  }
  assert.notEqual((await server.cli('no-such-command')).status, 0);
});

scenario.step('headers that never end are cut off, idle connections are not', async () => {
  const slow = halfOpen.filter((s) => s.half !== '' && !s.half.startsWith('PUT'));
  await until('they are closed', () => slow.every((s) => s.gone), SLOW_CUT_SECONDS);
  assert.ok(halfOpen.filter((s) => s.half === '').every((s) => !s.gone));
  halfOpen.forEach((s) => s.destroy());
  await goesOn();
});

scenario.step('the server ends in order and starts again with all that was right', async () => {
  assert.equal(await server.stop(), 0);
  await server.start();
  await goesOn();
  assert.deepEqual(Object.keys(await client.agent.service.list()), ['steady']);
  assert.equal(await server.stop(), 0);
});

scenario.run();
