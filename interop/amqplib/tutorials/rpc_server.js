// Answers each number with its Fibonacci number, to where the question says.

import { connect } from './broker.js';

function fibonacci(n) {
  let [a, b] = [0, 1];
  for (let step = 0; step < n; step += 1) [a, b] = [b, a + b];
  return a;
}

const channel = await (await connect()).createChannel();
await channel.assertQueue('tutorial.rpc', { durable: false });
await channel.prefetch(1);
await channel.consume('tutorial.rpc', (question) => {
  const { replyTo, correlationId } = question.properties;
  const answer = fibonacci(Number(question.content));
  channel.sendToQueue(replyTo, Buffer.from(String(answer)), { correlationId });
  channel.ack(question);
  console.log(`answered ${question.content}`);
});
console.log('waiting');
