'use strict';
// An API gateway in miniature. It knows services and instances only through the npm client's
// watches, takes its routes from the instances' metadata, and forwards round robin, without ever
// trying a failed request a second time: what it loses, its clients lose.

const http = require('node:http');

class Gateway {
  constructor(client) {
    this.client = client;
    this.upstreams = new Map(); // service -> {instances, routes, next, changes, watch}
    this.errors = 0; // of the watches; they try again by themselves
    this.agent = new http.Agent({ keepAlive: false });
    this.server = http.createServer((req, res) => this.forward(req, res));
  }

  start() {
    this.catalog = this.watch(this.client.catalog.service.list, {}, (services) => {
      const names = Object.keys(services).filter((name) => name.endsWith('_service'));
      names.filter((name) => !this.upstreams.has(name)).forEach((name) => this.follow(name));
      [...this.upstreams.keys()].filter((name) => !names.includes(name))
        .forEach((name) => this.forget(name));
    });
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => {
        this.port = this.server.address().port;
        resolve();
      });
    });
  }

  stop() {
    this.catalog.end();
    [...this.upstreams.keys()].forEach((name) => this.forget(name));
    this.server.close();
    this.client.destroy();
  }

  watch(method, options, onChange) {
    const watch = this.client.watch({ method, options: { wait: '30s', ...options },
      backoffFactor: 50, backoffMax: 400 });
    watch.on('change', onChange);
    watch.on('error', () => {
      this.errors += 1;
    });
    return watch;
  }

  follow(name) {
    const upstream = { instances: [], routes: [], next: 0, changes: 0 };
    upstream.watch = this.watch(this.client.health.service, { service: name, passing: true },
      (entries) => {
        upstream.changes += 1;
        upstream.instances = entries.map(({ Node, Service }) => ({ id: Service.ID,
          host: Service.Address || Node.Address, port: Service.Port,
          version: Service.Meta.version }));
        if (entries.length > 0) {
          upstream.routes = JSON.parse(entries[0].Service.Meta.routes).routes;
        }
      });
    this.upstreams.set(name, upstream);
  }

  forget(name) {
    this.upstreams.get(name).watch.end();
    this.upstreams.delete(name);
  }

  ids(name) {
    const upstream = this.upstreams.get(name);
    return upstream ? upstream.instances.map((i) => i.id).sort() : [];
  }

  // [{path, methods, auth, service}], the longest path first.
  routes() {
    return [...this.upstreams].flatMap(([service, u]) => u.routes.map((r) => ({ ...r, service })))
      .sort((a, b) => b.path.length - a.path.length);
  }

  forward(req, res) {
    const path = req.url.split('?')[0];
    const route = this.routes().find((r) => path === r.path || path.startsWith(`${r.path}/`));
    const refuse = (status, why) => {
      res.writeHead(status);
      res.end(why);
    };
    if (!route) {
      return refuse(404, 'no route');
    }
    if (!route.methods.includes(req.method)) {
      return refuse(405, 'method not allowed');
    }
    if (route.auth && !req.headers.authorization) {
      return refuse(401, 'not authenticated');
    }
    const upstream = this.upstreams.get(route.service);
    if (upstream.instances.length === 0) {
      return refuse(503, 'no instance');
    }
    const { host, port } = upstream.instances[upstream.next % upstream.instances.length];
    upstream.next += 1;
    const onward = http.request({ host, port, method: req.method, path: req.url,
      headers: req.headers, agent: this.agent, timeout: 5000 }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    onward.on('timeout', () => onward.destroy(new Error('timeout')));
    onward.on('error', (e) => (res.headersSent ? res.destroy() : refuse(502, e.message)));
    return req.pipe(onward);
  }
}

module.exports = { Gateway };
