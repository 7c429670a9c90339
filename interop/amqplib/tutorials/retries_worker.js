// Tries a failed task again after a while, each time after a longer one, and then gives up.
// The wait is a queue whose messages expire, and which hands the expired ones back.

import { connect, declareRetries, RETRY_MS } from './broker.js';

const channel = await (await connect()).createChannel();
await declareRetries(channel);
await channel.prefetch(1);
await channel.consume('tutorial.retries', (message) => {
  const task = message.content.toString();
  const tries = message.properties.headers?.tries ?? 0;
  if (task !== 'broken') {
    console.log(`done ${task}`);
  } else if (tries < RETRY_MS.length) {
    const wait = RETRY_MS[tries];
    channel.sendToQueue(`tutorial.retries.${wait}`, message.content, { headers: { tries: tries + 1 } });
    console.log(`${task} failed, again in ${wait} ms`);
  } else {
    console.log(`gave up ${task}`);
  }
  channel.ack(message);
});
console.log('waiting');
