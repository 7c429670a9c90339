// Listens to the severities given as arguments and to no others.

import { connect } from './broker.js';

const channel = await (await connect()).createChannel();
await channel.assertExchange('tutorial.severities', 'direct', { durable: false });
const { queue } = await channel.assertQueue('', { exclusive: true });
for (const severity of process.argv.slice(2)) {
  await channel.bindQueue(queue, 'tutorial.severities', severity);
}
const print = ({ fields, content }) => console.log(`received ${fields.routingKey}: ${content}`);
await channel.consume(queue, print, { noAck: true });
console.log('waiting');
