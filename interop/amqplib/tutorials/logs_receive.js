// Listens with a queue of its own, which the broker names and removes with the connection.

import { connect } from './broker.js';

const channel = await (await connect()).createChannel();
await channel.assertExchange('tutorial.logs', 'fanout', { durable: false });
const { queue } = await channel.assertQueue('', { exclusive: true });
await channel.bindQueue(queue, 'tutorial.logs', '');
const print = (message) => console.log(`received ${message.content}`);
await channel.consume(queue, print, { noAck: true });
console.log('waiting');
