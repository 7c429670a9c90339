// Prints messages when their delay is over.

import { connect } from './broker.js';

const channel = await (await connect()).createChannel();
const delayed = { arguments: { 'x-delayed-type': 'fanout' } };
await channel.assertExchange('tutorial.delayed', 'x-delayed-message', delayed);
const { queue } = await channel.assertQueue('', { exclusive: true });
await channel.bindQueue(queue, 'tutorial.delayed', '');
const print = (message) => console.log(`received ${message.content}`);
await channel.consume(queue, print, { noAck: true });
console.log('waiting');
