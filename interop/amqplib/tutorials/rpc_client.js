// Asks for the Fibonacci number of each argument and waits for the answer in a queue of its own.

import { randomUUID } from 'node:crypto';

import { connect } from './broker.js';

const connection = await connect();
const channel = await connection.createChannel();
const waiting = new Map();
await channel.assertQueue('tutorial.rpc', { durable: false });
const { queue: replyTo } = await channel.assertQueue('', { exclusive: true });
await channel.consume(replyTo, onAnswer, { noAck: true });

function onAnswer({ properties, content }) {
  waiting.get(properties.correlationId)(Number(content));
}

function call(number) {
  const correlationId = randomUUID();
  return new Promise((resolve) => {
    waiting.set(correlationId, resolve);
    channel.sendToQueue('tutorial.rpc', Buffer.from(number), { replyTo, correlationId });
  });
}

for (const number of process.argv.slice(2)) {
  console.log(`fibonacci(${number}) = ${await call(number)}`);
}
await connection.close();
