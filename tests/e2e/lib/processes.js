'use strict';
// Every process that a test starts, so that none outlives it.

const { execFile } = require('node:child_process');

// Everything ever spawned here; what still runs when this process ends is killed with it.
const children = new Set();
process.on('exit', () => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
});

function keep(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

// Run a program to its end: {status, out, err}.
function program(file, args, { env, input, options, seconds = 20 } = {}) {
  return new Promise((resolve) => {
    const child = keep(execFile(file, args,
      { env: { ...process.env, ...env }, timeout: seconds * 1000, killSignal: 'SIGKILL',
        ...options },
      (error, out, err) => resolve({ status: error ? error.code : 0, out, err })));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
  });
}

module.exports = { keep, program };
