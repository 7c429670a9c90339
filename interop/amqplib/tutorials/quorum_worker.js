// Gives back what it cannot do. The queue counts, and takes a task away that failed too often.

import { connect, declareQuorum } from './broker.js';

const channel = await (await connect()).createChannel();
await declareQuorum(channel);
await channel.prefetch(1);
await channel.consume('tutorial.quorum', (task) => {
  if (task.content.toString() === 'poison') {
    console.log('failed poison');
    channel.reject(task);
  } else {
    console.log(`done ${task.content}`);
    channel.ack(task);
  }
});
console.log('waiting');
