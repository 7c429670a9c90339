// Puts each argument as a task into the queue of the worker beside this file.

import { connect, declareRetries } from './broker.js';

const connection = await connect();
const channel = await connection.createChannel();
await declareRetries(channel);
for (const task of process.argv.slice(2)) {
  channel.sendToQueue('tutorial.retries', Buffer.from(task));
  console.log(`sent ${task}`);
}
await channel.close();
await connection.close();
