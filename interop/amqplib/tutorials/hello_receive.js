// Prints every greeting that arrives in the queue.

import { connect } from './broker.js';

const channel = await (await connect()).createChannel();
await channel.assertQueue('tutorial.hello', { durable: false });
const print = (message) => console.log(`received ${message.content}`);
console.log('waiting');
await channel.consume('tutorial.hello', print, { noAck: true });
