// Takes one task at a time and acknowledges it when it is done: tasks of a dead worker move on.

import { connect } from './broker.js';

const channel = await (await connect()).createChannel();
await channel.assertQueue('tutorial.tasks', { durable: true });
await channel.prefetch(1);
await channel.consume('tutorial.tasks', (task) => {
  console.log(`done ${task.content}`);
  channel.ack(task);
});
console.log('waiting');
