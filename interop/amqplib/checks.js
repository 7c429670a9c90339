// Runs the checks, or those whose name contains one of the arguments: a PASS or FAIL line each.

import './check_connections.js';
import './check_consuming.js';
import './check_errors.js';
import './check_publishing.js';
import './check_routing.js';
import './check_topology.js';
import './check_tutorials.js';
import { CHECK_MS, checks, Trial, within } from './harness.js';

/** Runs one check. Returns why it failed, or undefined. */
async function run({ name, body }) {
  const trial = new Trial();
  let reason;
  try {
    await within(body(trial), `the check "${name}"`, CHECK_MS);
  } catch (error) {
    reason = describe(error);
  }
  try {
    await within(trial.close(), 'the cleaning up', CHECK_MS);
  } catch (error) {
    reason ??= `while cleaning up: ${describe(error)}`;
  }
  return reason;
}

function describe(error) {
  return String(error?.message ?? error).replace(/\s+/g, ' ').trim();
}

// A promise that nobody waits for may fail while its check is already failing.
process.on('unhandledRejection', (error) => console.error('unhandled:', describe(error)));

const wanted = process.argv.slice(2);
const results = [];
for (const each of checks) {
  if (wanted.length > 0 && !wanted.some((part) => each.name.includes(part))) continue;
  const reason = await run(each);
  results.push(reason === undefined);
  console.log(reason === undefined ? `PASS ${each.name}` : `FAIL ${each.name}: ${reason}`);
}
process.exit(results.length > 0 && results.every(Boolean) ? 0 : 1);
