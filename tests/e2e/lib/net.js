'use strict';
// Ports and addresses that nobody else uses, plain HTTP requests, and bytes as they are.

const dgram = require('node:dgram');
const http = require('node:http');
const net = require('node:net');

function tcpFree(port, address = '127.0.0.1') {
  return new Promise((resolve) => {
    const s = net.createServer();
    s.once('error', () => resolve(false));
    s.listen(port, address, () => s.close(() => resolve(true)));
  });
}

function udpFree(port) {
  return new Promise((resolve) => {
    const s = dgram.createSocket('udp4');
    s.once('error', () => resolve(false));
    s.bind(port, '127.0.0.1', () => s.close(() => resolve(true)));
  });
}

// n ports on 127.0.0.1 that were free a moment ago, for TCP and UDP; below the kernel's own range.
async function freePorts(n) {
  const found = [];
  while (found.length < n) {
    const port = 12000 + Math.floor(Math.random() * 20000);
    if (!found.includes(port) && (await tcpFree(port)) && (await udpFree(port))) {
      found.push(port);
    }
  }
  return found;
}

// "127.x.y": all of 127/8 is loopback, so each pod gets an address of its own below such a prefix
// and services keep the ports that they have in production. Chosen anew for every run.
function podNetwork() {
  return `127.${100 + Math.floor(Math.random() * 140)}.${1 + Math.floor(Math.random() * 250)}`;
}

// What to add to `ports` so that all are free at a pod's address: 0, unless something on this
// machine listens on one of them at every address.
async function portShift(address, ports) {
  for (let shift = 0; shift < 10000; shift += 100) {
    const free = await Promise.all(ports.map((port) => tcpFree(port + shift, address)));
    if (free.every(Boolean)) {
      return shift;
    }
  }
  throw new Error(`no ports like ${ports} are free at ${address}`);
}

// One request; resolves to {status, headers, body (text), bytes}, rejects when none came.
function request(port, method, path, { host = '127.0.0.1', body, headers = {}, agent,
  seconds = 15 } = {}) {
  return new Promise((resolve, reject) => {
    const payload = body === undefined || typeof body === 'string' || Buffer.isBuffer(body)
      ? body : JSON.stringify(body);
    const length = payload === undefined ? 0 : Buffer.byteLength(payload);
    const req = http.request({
      host, port, method, path, agent: agent || false,
      headers: method === 'GET' ? headers : { 'Content-Length': length, ...headers },
    }, (res) => {
      const parts = [];
      res.on('data', (part) => parts.push(part));
      res.on('error', reject);
      res.on('end', () => {
        const bytes = Buffer.concat(parts);
        resolve({ status: res.statusCode, headers: res.headers, bytes, body: bytes.toString() });
      });
    });
    req.setTimeout(seconds * 1000, () => req.destroy(
      new Error(`no answer to ${method} ${path} within ${seconds} s`)));
    req.on('error', reject);
    req.end(payload);
  });
}

// Send bytes over a new connection and collect what comes until the server closes, or `seconds`
// passed, or `enough(text)` says so. {text, closed}
function rawTcp(port, bytes, { seconds = 10, enough = () => false } = {}) {
  return new Promise((resolve) => {
    let text = '';
    const s = net.connect(port, '127.0.0.1', () => s.write(bytes));
    const done = (closed) => {
      clearTimeout(timer);
      s.destroy();
      resolve({ text, closed });
    };
    const timer = setTimeout(() => done(false), seconds * 1000);
    s.on('data', (part) => {
      text += part.toString('latin1');
      if (enough(text)) {
        done(false);
      }
    });
    s.on('error', () => {}); // "close" follows
    s.on('close', () => done(true));
  });
}

module.exports = { freePorts, podNetwork, portShift, request, rawTcp };
