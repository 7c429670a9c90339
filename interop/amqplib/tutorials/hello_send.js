// Sends one greeting to a queue by its name.

import { connect } from './broker.js';

const connection = await connect();
const channel = await connection.createChannel();
await channel.assertQueue('tutorial.hello', { durable: false });
channel.sendToQueue('tutorial.hello', Buffer.from('Hello, warren!'));
console.log('sent Hello, warren!');
await channel.close();
await connection.close();
