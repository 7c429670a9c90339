// Publishes the second argument under the topic given first, such as kernel.critical.

import { connect } from './broker.js';

const [topic, line] = process.argv.slice(2);
const connection = await connect();
const channel = await connection.createChannel();
await channel.assertExchange('tutorial.topics', 'topic', { durable: false });
channel.publish('tutorial.topics', topic, Buffer.from(line));
console.log(`sent ${topic}: ${line}`);
await channel.close();
await connection.close();
