// Sends tasks such as 5:cook, with the number in front as the priority.

import { connect } from './broker.js';

const connection = await connect();
const channel = await connection.createChannel();
await channel.assertQueue('tutorial.priorities', { maxPriority: 9 });
for (const task of process.argv.slice(2)) {
  const priority = Number(task.split(':')[0]);
  channel.sendToQueue('tutorial.priorities', Buffer.from(task), { priority });
  console.log(`sent ${task}`);
}
await channel.close();
await connection.close();
