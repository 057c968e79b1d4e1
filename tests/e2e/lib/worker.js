'use strict';
// Processes that play machines: the parent asks for things by message, the child answers. A child
// whose parent is gone ends too.

const { fork } = require('node:child_process');
const { keep } = require('./processes');

// The parent's side.
class Worker {
  constructor(file, env) {
    this.child = keep(fork(file, { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit',
      'inherit', 'ipc'] }));
    this.waiting = new Map();
    this.next = 0;
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        for (const { reject } of this.waiting.values()) {
          reject(new Error(`the process ended with ${signal || code}`));
        }
        this.waiting.clear();
        resolve(signal || code);
      });
    });
    this.child.on('message', ({ id, result, error }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) {
        reject(new Error(error));
      } else {
        resolve(result);
      }
    });
  }

  ask(what, args) {
    this.next += 1;
    const id = this.next;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, what, args });
    });
  }

  signal(name) {
    this.child.kill(name);
  }

  running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }
}

// The child's side: `duties` maps what may be asked to functions; `retire` runs on SIGTERM.
function serveParent(duties, retire) {
  process.on('message', async ({ id, what, args }) => {
    try {
      process.send({ id, result: await duties[what](args) });
    } catch (e) {
      process.send({ id, error: e.message });
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.on('SIGTERM', async () => {
    await retire();
    process.exit(0);
  });
}

module.exports = { Worker, serveParent };
