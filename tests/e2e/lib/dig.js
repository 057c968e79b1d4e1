'use strict';
// What an operator sees with dig.

const { program } = require('./processes');

const SECTIONS = { ANSWER: 'answer', AUTHORITY: 'authority', ADDITIONAL: 'additional' };

// {rcode, flags: [..], answer, authority, additional: [{name, ttl, type, data}], tcp, size}; extra
// arguments are dig's own, such as "+tcp".
async function dig(server, name, type, ...extra) {
  const r = await program('dig', ['@127.0.0.1', '-p', String(server.dns), '+time=3', '+tries=2',
    '+nocookie', ...extra, name, type]);
  const status = /status: (\w+)/.exec(r.out);
  if (r.status !== 0 || !status) {
    throw new Error(`dig ${name} ${type} ended with ${r.status}: ${r.out}${r.err}`);
  }
  const seen = {
    rcode: status[1],
    flags: /flags: ([^;]*);/.exec(r.out)[1].trim().split(' '),
    answer: [],
    authority: [],
    additional: [],
    tcp: /SERVER: .*\(TCP\)/.test(r.out),
    size: Number((/MSG SIZE\s+rcvd: (\d+)/.exec(r.out) || [0, 0])[1]),
  };
  let section = null;
  for (const line of r.out.split('\n')) {
    const head = /^;; (\w+) SECTION:/.exec(line);
    const record = /^([^;\s]\S*)\s+(\d+)\s+IN\s+(\S+)\s+(.*)$/.exec(line);
    if (head) {
      section = SECTIONS[head[1]] || null;
    } else if (record && section) {
      seen[section].push({ name: record[1], ttl: Number(record[2]), type: record[3],
        data: record[4] });
    }
  }
  return seen;
}

// The addresses that a name resolves to, sorted; none for NXDOMAIN.
async function addresses(server, name, ...extra) {
  const seen = await dig(server, name, 'A', ...extra);
  return seen.answer.filter((r) => r.type === 'A').map((r) => r.data).sort();
}

// The SRV answers as "address:port", each target looked up in the additional section; sorted.
async function endpoints(server, name, ...extra) {
  const seen = await dig(server, name, 'SRV', ...extra);
  return seen.answer.map((r) => {
    const [, , port, target] = r.data.split(' ');
    const address = seen.additional.find((a) => a.type === 'A' && a.name === target);
    return `${address ? address.data : target}:${port}`;
  }).sort();
}

module.exports = { dig, addresses, endpoints };
