'use strict';
// The 31 services of the platform: their ports, and the routes that each publishes in its metadata.

const TIER_1 = ['auth', 'account', 'session', 'authorization', 'audit', 'notification', 'payment',
  'wallet', 'order', 'task']; // 8201..8210
const TIER_2 = ['organization', 'invitation', 'vault', 'product', 'billing', 'calendar', 'weather',
  'album', 'device', 'ota', 'media', 'memory', 'location', 'telemetry', 'compliance', 'document',
  'subscription', 'credit', 'event', 'storage']; // 8211..8230
const EXTENDED = ['membership']; // 8250

function routesOf(short) {
  const base = `/api/v1/${short}`;
  if (short === 'auth') {
    return [
      { path: `${base}/login`, methods: ['POST'], auth: false },
      { path: `${base}/refresh`, methods: ['POST'], auth: false },
      { path: `${base}/api-keys`, methods: ['GET', 'POST'], auth: true },
    ];
  }
  return [
    { path: base, methods: ['GET', 'POST'], auth: true },
    { path: `${base}/status`, methods: ['GET'], auth: false },
  ];
}

function service(short, port, tier) {
  return { name: `${short}_service`, short, port, tier, routes: routesOf(short) };
}

const SERVICES = [
  ...TIER_1.map((short, i) => service(short, 8201 + i, 1)),
  ...TIER_2.map((short, i) => service(short, 8211 + i, 2)),
  ...EXTENDED.map((short, i) => service(short, 8250 + i, 3)),
];

module.exports = { SERVICES };
