// Publishes with confirms: waits until the broker has taken each message over.

import { connect } from './broker.js';

const connection = await connect();
const channel = await connection.createConfirmChannel();
const { queue } = await channel.assertQueue('', { exclusive: true });
channel.on('return', (message) => console.log(`returned ${message.content}`));
for (const message of process.argv.slice(2)) {
  channel.sendToQueue(queue, Buffer.from(message), { mandatory: true });
  await channel.waitForConfirms();
  console.log(`confirmed ${message}`);
}
channel.sendToQueue('tutorial.nowhere', Buffer.from('lost?'), { mandatory: true });
await channel.waitForConfirms();
await connection.close();
