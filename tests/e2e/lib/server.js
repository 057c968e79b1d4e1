'use strict';
// A Rollcall server in a directory of its own: started, killed and started again on the same data.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const Consul = require('consul');
const { until } = require('./scenario');
const { freePorts, request } = require('./net');
const { keep, program } = require('./processes');

const BINARY = process.env.E2E_BIN;
const DIR = process.env.E2E_DIR;
const LOGS = process.env.E2E_LOGS;

class Server {
  constructor(name, config = {}) {
    this.name = name;
    this.dir = path.join(DIR, name);
    this.data = path.join(this.dir, 'data');
    this.log = path.join(LOGS, `${path.basename(DIR)}-${name}.log`);
    this.config = config;
    this.child = null;
  }

  // Choose ports and write the configuration.
  async prepare() {
    fs.mkdirSync(this.dir, { recursive: true });
    fs.writeFileSync(this.log, '');
    const [http, dns, server, serfLan, serfWan] = await freePorts(5);
    this.http = http;
    this.dns = dns;
    this.file = path.join(this.dir, 'agent.json');
    fs.writeFileSync(this.file, JSON.stringify({
      ports: { http, dns, server, serf_lan: serfLan, serf_wan: serfWan, grpc: -1, https: -1 },
      performance: { raft_multiplier: 1 },
      ...this.config,
    }));
  }

  args() {
    return ['agent', '-server', '-bootstrap-expect=1', `-data-dir=${this.data}`,
      `-node=${this.name}`, '-bind=127.0.0.1', '-client=127.0.0.1', `-config-file=${this.file}`];
  }

  async start() {
    if (!this.file) {
      await this.prepare();
    }
    const log = fs.openSync(this.log, 'a');
    this.child = keep(spawn(BINARY, this.args(), { stdio: ['ignore', log, log] }));
    fs.closeSync(log);
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => resolve(signal || code));
    });
    let end = null;
    this.ended.then((how) => {
      end = how;
    });
    await until('the server has a leader', async () => {
      if (end !== null) {
        return true;
      }
      const r = await request(this.http, 'GET', '/v1/status/leader', { seconds: 2 });
      return r.status === 200 && r.body.length > 2;
    }, 30);
    if (end !== null) {
      throw new Error(`the server ended at start with ${end}: ${this.logTail()}`);
    }
  }

  logTail() {
    return fs.readFileSync(this.log, 'utf8').split('\n').slice(-12).join('\n');
  }

  // No warning, no chance to write anything.
  async crash() {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  // An orderly end; its exit status, or the signal that was needed.
  async stop(seconds = 20) {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), seconds * 1000);
    this.child.kill('SIGTERM');
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  running() {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  client() {
    return new Consul({ host: '127.0.0.1', port: this.http });
  }

  request(method, target, options) {
    return request(this.http, method, target, options);
  }

  async json(target) {
    const r = await this.request('GET', target);
    if (r.status !== 200) {
      throw new Error(`GET ${target}: ${r.status} ${r.body}`);
    }
    return JSON.parse(r.body);
  }

  async index(target) {
    return BigInt((await this.request('GET', target)).headers['x-consul-index'] || '0');
  }

  // The command line client, pointed at this server as Consul's would be.
  cli(...args) {
    return program(BINARY, args, { env: { CONSUL_HTTP_ADDR: `127.0.0.1:${this.http}` } });
  }

  // Resident memory in MiB.
  memory() {
    const status = fs.readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
  }
}

module.exports = { Server, BINARY, DIR };
