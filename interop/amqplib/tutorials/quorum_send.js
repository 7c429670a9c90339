// Puts each argument as a task into the quorum queue, and waits until the broker has it.

import { connect, declareQuorum } from './broker.js';

const connection = await connect();
const channel = await connection.createConfirmChannel();
await declareQuorum(channel);
for (const task of process.argv.slice(2)) {
  channel.sendToQueue('tutorial.quorum', Buffer.from(task));
  await channel.waitForConfirms();
  console.log(`sent ${task}`);
}
await connection.close();
