// Runs the checks, or those whose name contains one of the arguments: a line each.

import './check_connections.js';
import './check_consuming.js';
import './check_dead_letters.js';
import './check_errors.js';
import './check_limits.js';
import './check_publishing.js';
import './check_routing.js';
import './check_topology.js';
import './check_tutorials.js';
import { CHECK_MS, checks, Skip, Trial, within } from './harness.js';

/** Runs one check. Returns the word for its line, and why it did not pass. */
async function run({ name, body }) {
  const trial = new Trial();
  let outcome = ['PASS'];
  try {
    await within(body(trial), `the check "${name}"`, CHECK_MS);
  } catch (error) {
    outcome = [error instanceof Skip ? 'SKIP' : 'FAIL', describe(error)];
  }
  try {
    await within(trial.close(), 'the cleaning up', CHECK_MS);
  } catch (error) {
    if (outcome[0] !== 'FAIL') outcome = ['FAIL', `while cleaning up: ${describe(error)}`];
  }
  return outcome;
}

function describe(error) {
  return String(error?.message ?? error).replace(/\s+/g, ' ').trim();
}

// A promise that nobody waits for may fail while its check is already failing.
process.on('unhandledRejection', (error) => console.error('unhandled:', describe(error)));

const wanted = process.argv.slice(2);
const words = [];
for (const each of checks) {
  if (wanted.length > 0 && !wanted.some((part) => each.name.includes(part))) continue;
  const [word, reason] = await run(each);
  words.push(word);
  console.log(`${word} ${each.name}${reason === undefined ? '' : `: ${reason}`}`);
}
process.exit(words.length > 0 && !words.includes('FAIL') ? 0 : 1);
