'use strict';
// Writes to a server without pause and remembers what was acknowledged, so that after a crash what
// is there can be held against it; and remembers the indexes that readers have seen.

const http = require('node:http');
const { request } = require('./net');

// A value that was sent but not acknowledged may be there; one older than the acknowledged may not.
class Ledger {
  constructor(server, prefix, lanes = 4) {
    this.server = server;
    this.prefix = prefix;
    this.lanes = lanes;
    this.keys = new Map(); // key -> {acked, sent}
    this.services = new Map(); // id -> {acked, sent}
    this.acknowledged = 0;
  }

  start() {
    this.stopping = false;
    this.running = Array.from({ length: this.lanes }, (_, lane) => this.write(lane));
  }

  // Each lane owns its keys and services, so the order of its writes is known.
  async write(lane) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 1; !this.stopping; n += 1) {
      const service = n % 4 === 0;
      const name = `${this.prefix}-${lane}-${n % 12}`;
      const book = service ? this.services : this.keys;
      const entry = book.get(name) || { acked: 0, sent: 0 };
      book.set(name, entry);
      entry.sent = n;
      try {
        const r = service
          ? await request(this.server.http, 'PUT', '/v1/agent/service/register', { agent, body: {
            ID: name, Name: `${this.prefix}-ledger`, Address: '10.9.9.9', Port: 1000 + lane,
            Meta: { n: String(n) }, Check: { TTL: '10m', Status: 'passing' } } })
          : await request(this.server.http, 'PUT', `/v1/kv/${this.prefix}/${name}`,
            { agent, body: String(n) });
        if (r.status === 200) {
          entry.acked = n;
          this.acknowledged += 1;
        }
      } catch {
        break; // the server is gone
      }
    }
    agent.destroy();
  }

  async stop() {
    this.stopping = true;
    await Promise.all(this.running);
  }

  // What is there and should not be, or the other way round; none is right.
  async complaints() {
    const wrong = [];
    const compare = (what, entry, found) => {
      if (!(entry.acked <= found && found <= entry.sent)) {
        wrong.push(`${what}: acknowledged ${entry.acked}, sent ${entry.sent}, found ${found}`);
      }
    };
    const entries = await this.server.json(`/v1/kv/${this.prefix}/?recurse`);
    const values = new Map(entries.map((e) => [e.Key,
      Number(Buffer.from(e.Value, 'base64').toString())]));
    for (const [key, entry] of this.keys) {
      compare(`key ${key}`, entry, values.get(`${this.prefix}/${key}`) || 0);
    }
    const services = await this.server.json('/v1/agent/services');
    const instances = new Map((await this.server.json(
      `/v1/health/service/${this.prefix}-ledger?passing`)).map((e) => [e.Service.ID, e.Service]));
    for (const [id, entry] of this.services) {
      compare(`service ${id}`, entry, Number((services[id] || { Meta: { n: 0 } }).Meta.n));
      compare(`instance ${id}`, entry, Number((instances.get(id) || { Meta: { n: 0 } }).Meta.n));
    }
    return wrong;
  }

  async remove() {
    for (const id of this.services.keys()) {
      await this.server.request('PUT', `/v1/agent/service/deregister/${id}`);
    }
    await this.server.request('DELETE', `/v1/kv/${this.prefix}/?recurse`);
  }
}

// The index of each resource, now: Map from target to number.
async function indexes(server, targets) {
  const seen = new Map();
  for (const target of targets) {
    seen.set(target, await server.index(target));
  }
  return seen;
}

// Which of them are lower now.
async function wentBack(server, before) {
  const lower = [];
  for (const [target, index] of await indexes(server, before.keys())) {
    if (index < before.get(target) || index === 0n) {
      lower.push(`${target}: ${before.get(target)} before, ${index} now`);
    }
  }
  return lower;
}

module.exports = { Ledger, indexes, wentBack };
