// Publishes the second argument under the severity given first.

import { connect } from './broker.js';

const [severity, line] = process.argv.slice(2);
const connection = await connect();
const channel = await connection.createChannel();
await channel.assertExchange('tutorial.severities', 'direct', { durable: false });
channel.publish('tutorial.severities', severity, Buffer.from(line));
console.log(`sent ${severity}: ${line}`);
await channel.close();
await connection.close();
