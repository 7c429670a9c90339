// Where the broker is, and what two programs must declare alike.

import amqplib from 'amqplib';

export const RETRY_MS = [100, 300]; // how long a failed task waits: the first, the second time

/** Opens a connection to the broker named by AMQP_HOST and AMQP_PORT. */
export function connect() {
  const { AMQP_HOST = '127.0.0.1', AMQP_PORT = '5672' } = process.env;
  return amqplib.connect(`amqp://${AMQP_HOST}:${AMQP_PORT}`);
}

/** The work queue, and a queue to wait in for each time that a task is tried again. */
export async function declareRetries(channel) {
  await channel.assertQueue('tutorial.retries', { durable: true });
  for (const wait of RETRY_MS) {
    await channel.assertQueue(`tutorial.retries.${wait}`, {
      durable: true,
      messageTtl: wait,
      deadLetterExchange: '',
      deadLetterRoutingKey: 'tutorial.retries',
    });
  }
}

/** A quorum queue that lets a task fail twice, and where it goes at the third time. */
export async function declareQuorum(channel) {
  await channel.assertQueue('tutorial.quorum.dead', { durable: true });
  await channel.assertQueue('tutorial.quorum', {
    durable: true,
    deadLetterExchange: '',
    deadLetterRoutingKey: 'tutorial.quorum.dead',
    arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 },
  });
}
