// Listens to all topics that match one of the patterns given as arguments.

import { connect } from './broker.js';

const channel = await (await connect()).createChannel();
await channel.assertExchange('tutorial.topics', 'topic', { durable: false });
const { queue } = await channel.assertQueue('', { exclusive: true });
for (const pattern of process.argv.slice(2)) {
  await channel.bindQueue(queue, 'tutorial.topics', pattern);
}
const print = ({ fields, content }) => console.log(`received ${fields.routingKey}: ${content}`);
await channel.consume(queue, print, { noAck: true });
console.log('waiting');
