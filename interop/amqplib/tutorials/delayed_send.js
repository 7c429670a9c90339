// Sends messages such as 500:hello, which arrive so many milliseconds later.

import { connect } from './broker.js';

const connection = await connect();
const channel = await connection.createChannel();
const delayed = { arguments: { 'x-delayed-type': 'fanout' } };
await channel.assertExchange('tutorial.delayed', 'x-delayed-message', delayed);
for (const argument of process.argv.slice(2)) {
  const [delay, message] = argument.split(':');
  const headers = { 'x-delay': Number(delay) };
  channel.publish('tutorial.delayed', '', Buffer.from(message), { headers });
  console.log(`sent ${message}`);
}
await channel.close();
await connection.close();
