// Publishes each argument to everybody who listens at this moment.

import { connect } from './broker.js';

const connection = await connect();
const channel = await connection.createChannel();
await channel.assertExchange('tutorial.logs', 'fanout', { durable: false });
for (const line of process.argv.slice(2)) {
  channel.publish('tutorial.logs', '', Buffer.from(line));
  console.log(`sent ${line}`);
}
await channel.close();
await connection.close();
