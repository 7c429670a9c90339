// Takes one task at a time, so that the next one is always the most important there is.

import { connect } from './broker.js';

const channel = await (await connect()).createChannel();
await channel.assertQueue('tutorial.priorities', { maxPriority: 9 });
await channel.prefetch(1);
console.log('waiting');
await channel.consume('tutorial.priorities', (task) => {
  console.log(`done ${task.content}`);
  channel.ack(task);
});
