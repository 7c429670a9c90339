// Tries a failed task again after a while, each time after a longer one, and then gives up.
// The wait is a queue whose messages expire, and which hands the expired ones back.

import { connect, declareRetries, RETRY_MS } from './broker.js';

const channel = await (await connect()).createChannel();
await declareRetries(channel);
await channel.prefetch(1);
await channel.consume('tutorial.retries', (message) => {
  const task = message.content.toString();
  const { headers } = message.properties;
  const tries = headers['x-death']?.length ?? 0; // one entry for each wait
  if (task !== 'broken') {
    console.log(`done ${task}`);
  } else if (tries < RETRY_MS.length) {
    const wait = RETRY_MS[tries];
    channel.sendToQueue(`tutorial.retries.${wait}`, message.content, { headers });
    console.log(`${task} failed, again in ${wait} ms`);
  } else {
    console.log(`gave up ${task}`);
  }
  channel.ack(message);
});
console.log('waiting');
