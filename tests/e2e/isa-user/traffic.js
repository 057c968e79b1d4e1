'use strict';
// The platform's users: requests through the gateway without pause, each answer counted.

const { request } = require('../lib/net');
const { sleep } = require('../lib/scenario');

class Traffic {
  constructor(port, lanes = 4) {
    this.port = port;
    this.lanes = lanes;
    this.answered = new Map(); // instance -> answers
    this.failures = [];
    this.sent = 0;
  }

  // Ask for `target` ({method, path}) over and over.
  start(target) {
    this.stopping = false;
    this.running = Array.from({ length: this.lanes }, async () => {
      while (!this.stopping) {
        await this.one(target);
        await sleep(4);
      }
    });
  }

  async one({ method, path }) {
    this.sent += 1;
    try {
      const r = await request(this.port, method, path, { headers: { Authorization: 'Bearer t' } });
      if (r.status === 200) {
        const { instance } = JSON.parse(r.body);
        this.answered.set(instance, (this.answered.get(instance) || 0) + 1);
      } else {
        this.failures.push(`${r.status} ${r.body}`);
      }
    } catch (e) {
      this.failures.push(e.message);
    }
  }

  async stop() {
    this.stopping = true;
    await Promise.all(this.running);
  }
}

module.exports = { Traffic };
