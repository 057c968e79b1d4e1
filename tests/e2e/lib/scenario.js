'use strict';
// One platform's story: steps that run in order and build on each other. Each prints one line; a
// failed step does not keep the next ones from running, unless it is vital.

const { setTimeout: sleep } = require('node:timers/promises');

const STEP_SECONDS = 75; // no step may hang the run

class Scenario {
  constructor(name) {
    this.name = name;
    this.steps = [];
    this.endings = [];
  }

  step(name, run) {
    this.steps.push({ name, run, vital: false });
  }

  // Without this one the rest makes no sense.
  vital(name, run) {
    this.steps.push({ name, run, vital: true });
  }

  // Run after the last step, the newest first, whatever happened.
  atEnd(run) {
    this.endings.push(run);
  }

  async run() {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
      process.on(signal, () => process.exit(1)); // which ends what was started, too
    }
    let failed = 0;
    let broken = null;
    for (const step of this.steps) {
      let error = broken && new Error(`not tried, since "${broken}" failed`);
      const begun = Date.now();
      if (!error) {
        error = await bounded(step.run).then(() => null, (e) => e);
      }
      if (error) {
        failed += 1;
        broken = broken || (step.vital ? step.name : null);
        console.log(`FAIL ${this.name}: ${step.name}: ${describe(error)}`);
      } else {
        const seconds = ((Date.now() - begun) / 1000).toFixed(1);
        console.log(`ok   ${this.name}: ${step.name} (${seconds} s)`);
      }
    }
    for (const ending of this.endings.reverse()) {
      await bounded(ending).catch((e) => console.log(`  while cleaning up: ${describe(e)}`));
    }
    process.exit(failed ? 1 : 0);
  }
}

function bounded(run) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${STEP_SECONDS} s`)),
      STEP_SECONDS * 1000);
  });
  return Promise.race([Promise.resolve().then(run), limit]).finally(() => clearTimeout(timer));
}

// The message in one line, then where in our own files it came from.
function describe(error) {
  const message = String((error && error.message) || error).replace(/\s*\n\s*/g, ' | ')
    .slice(0, 900);
  const place = String((error && error.stack) || '').split('\n')
    .find((line) => /tests\/e2e\/(isa|bad)/.test(line));
  return place ? `${message} [${place.trim().replace(/^at /, '').replace(/\S*tests\/e2e\//, '')}]`
    : message;
}

// Ask again until `probe` returns something true; its last error, or value, is in the complaint.
async function until(what, probe, seconds = 10) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) {
        return value;
      }
      last = `it was ${JSON.stringify(value)}`;
    } catch (e) {
      last = e.message;
    }
    if (Date.now() > end) {
      throw new Error(`not within ${seconds} s: ${what}; ${last}`);
    }
    await sleep(50);
  }
}

// Run `work` on every item, at most `width` at a time; results in the order of the items.
async function mapBounded(items, width, work) {
  const results = new Array(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const i = next;
      next += 1;
      results[i] = await work(items[i], i);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

module.exports = { Scenario, until, mapBounded, sleep };
