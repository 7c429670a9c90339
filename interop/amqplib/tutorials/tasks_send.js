// Puts each argument as a task into a durable queue; the tasks survive a restart of the broker.

import { connect } from './broker.js';

const connection = await connect();
const channel = await connection.createChannel();
await channel.assertQueue('tutorial.tasks', { durable: true });
for (const task of process.argv.slice(2)) {
  channel.sendToQueue('tutorial.tasks', Buffer.from(task), { persistent: true });
  console.log(`sent ${task}`);
}
await channel.close();
await connection.close();
