// Consuming: prefetch, settling, cancelling, and who gets the next message.

import assert from 'node:assert/strict';

import { check, closesChannel, consume, ready, within } from './harness.js';

const body = (message) => message.content.toString();
const seen = (messages) => messages.map((message) => [message.fields.redelivered, body(message)]);

check('prefetch bounds unacked messages and order is kept', async (t) => {
  const bodies = Array.from({ length: 20 }, (_, number) => String(number));
  const { channel, queue } = await t.filled(bodies);
  await channel.prefetch(3);
  const inbox = await consume(channel, queue);
  for (let at = 0; at < 18; at += 3) {
    const messages = await inbox.take(3);
    assert.deepEqual(messages.map(body), bodies.slice(at, at + 3));
    assert.deepEqual([await ready(channel, queue), inbox.items.length], [17 - at, 0]);
    for (const message of messages) channel.ack(message);
  }
  assert.deepEqual(await inbox.bodies(2), bodies.slice(18));
});

check('ack removes one and multiple ack all up to its tag', async (t) => {
  const { channel, queue } = await t.filled(['1', '2', '3', '4', '5']);
  const messages = await (await consume(channel, queue)).take(5);
  assert.deepEqual(messages.map(({ fields }) => fields.deliveryTag), [1, 2, 3, 4, 5]);
  channel.ack(messages[4]);
  channel.ack(messages[2], true);
  await channel.close();
  const left = await (await t.channel()).get(queue);
  assert.deepEqual([body(left), left.fields.messageCount], ['4', 0]);
});

check('ack of all takes all', async (t) => {
  const { channel, queue } = await t.filled(['1', '2', '3']);
  await (await consume(channel, queue)).take(3);
  channel.ackAll();
  channel.ackAll();
  await channel.close();
  assert.equal(await ready(await t.channel(), queue), 0);
});

check('requeued messages come back redelivered in their old order', async (t) => {
  const { channel, queue } = await t.filled(['1', '2', '3']);
  const inbox = await consume(channel, queue);
  const first = await inbox.take(3);
  assert.deepEqual(seen(first), [[false, '1'], [false, '2'], [false, '3']]);
  channel.nack(first[2], true, true);
  const again = await inbox.take(3);
  assert.deepEqual(seen(again), [[true, '1'], [true, '2'], [true, '3']]);
  channel.reject(again[1], true);
  assert.deepEqual(seen([await inbox.next()]), [[true, '2']]);
});

check('nack and reject without requeue drop the message', async (t) => {
  const { channel, queue } = await t.filled(['1', '2', '3', '4']);
  const messages = await (await consume(channel, queue)).take(4);
  channel.nack(messages[1], true, false);
  channel.reject(messages[3], false);
  await channel.close();
  const left = await (await t.channel()).get(queue);
  assert.deepEqual([body(left), left.fields.messageCount], ['3', 0]);
});

check('recover brings all unacked messages back', async (t) => {
  const { channel, queue } = await t.filled(['1', '2']);
  const inbox = await consume(channel, queue);
  await inbox.take(2);
  await channel.recover();
  assert.deepEqual(seen(await inbox.take(2)), [[true, '1'], [true, '2']]);
});

check('lost connection requeues what is unacked', async (t) => {
  const { queue } = await t.filled(['1', '2']);
  const doomed = await t.connect();
  await (await consume(await t.channel(doomed), queue)).take(2);
  doomed.connection.stream.destroy(new Error('the network is gone'));
  await within(doomed.closed, 'the end of the connection');
  const again = await (await consume(await t.channel(), queue)).take(2);
  assert.deepEqual(seen(again), [[true, '1'], [true, '2']]);
});

check('get takes one message and says how many are left', async (t) => {
  const { channel, queue } = await t.filled(['1', '2']);
  const first = await channel.get(queue);
  const { messageCount, redelivered, exchange, routingKey } = first.fields;
  assert.deepEqual([messageCount, redelivered, exchange, routingKey], [1, false, '', queue]);
  assert.equal(body(await channel.get(queue, { noAck: true })), '2');
  assert.equal(await channel.get(queue), false);
  channel.nack(first);
  assert.deepEqual(seen([await channel.get(queue)]), [[true, '1']]);
});

check('cancelled consumer gets nothing more but may still ack', async (t) => {
  const { channel, queue } = await t.filled(['held']);
  const inbox = await consume(channel, queue);
  const held = await inbox.next();
  assert.equal((await channel.cancel(inbox.tag)).consumerTag, inbox.tag);
  channel.sendToQueue(queue, Buffer.from('waits'));
  assert.deepEqual([await ready(channel, queue), inbox.items.length], [1, 0]);
  channel.ack(held);
  assert.equal(body(await channel.get(queue, { noAck: true })), 'waits');
});

check('deleting the queue cancels its consumers', async (t) => {
  const { channel, queue } = await t.filled();
  const inbox = await consume(channel, queue);
  await (await t.channel()).deleteQueue(queue);
  assert.equal(await inbox.next('basic.cancel from the broker'), null);
});

check('consumers take turns', async (t) => {
  const { channel, queue } = await t.filled();
  const inboxes = [];
  for (let count = 0; count < 3; count += 1) inboxes.push(await consume(channel, queue));
  for (const text of '012345678') channel.sendToQueue(queue, Buffer.from(text));
  const taken = await Promise.all(inboxes.map((inbox) => inbox.bodies(3)));
  assert.deepEqual(taken, [['0', '3', '6'], ['1', '4', '7'], ['2', '5', '8']]);
});

check('consumer with higher priority is served first', async (t) => {
  const { channel, queue } = await t.filled();
  await channel.prefetch(2);
  const low = await consume(channel, queue);
  const high = await consume(channel, queue, { priority: 10 });
  for (const text of ['1', '2', '3']) channel.sendToQueue(queue, Buffer.from(text));
  assert.deepEqual(await high.bodies(2), ['1', '2']);
  assert.deepEqual(await low.bodies(1), ['3']);
});

check('single active consumer hands over when cancelled', async (t) => {
  const options = { durable: false, arguments: { 'x-single-active-consumer': true } };
  const { channel, queue } = await t.filled([], options);
  const first = await consume(channel, queue, { noAck: true });
  const second = await consume(channel, queue, { noAck: true });
  for (const text of ['1', '2', '3']) channel.sendToQueue(queue, Buffer.from(text));
  assert.deepEqual(await first.bodies(3), ['1', '2', '3']);
  assert.equal(second.items.length, 0);
  await channel.cancel(first.tag);
  channel.sendToQueue(queue, Buffer.from('4'));
  assert.deepEqual(await second.bodies(1), ['4']);
});

check('direct reply to carries answers back', async (t) => {
  const { channel: client, queue: requests } = await t.filled();
  const server = await t.channel(await t.connect());
  const replyTo = 'amq.rabbitmq.reply-to';
  const answers = await consume(client, replyTo, { noAck: true });
  const questions = await consume(server, requests, { noAck: true });
  for (const question of ['1', '2']) {
    client.sendToQueue(requests, Buffer.from(question), { replyTo, correlationId: 'c' });
    const asked = await questions.next();
    assert.ok(asked.properties.replyTo.startsWith(`${replyTo}.`), asked.properties.replyTo);
    const { replyTo: address, correlationId } = asked.properties;
    server.sendToQueue(address, Buffer.from(`answer to ${body(asked)}`), { correlationId });
    const { fields, properties, content } = await answers.next();
    assert.deepEqual([fields.exchange, fields.routingKey], ['', address]);
    assert.equal(properties.correlationId, 'c');
    assert.equal(content.toString(), `answer to ${question}`);
  }
});

check('direct reply to needs a consumer without acks', async (t) => {
  const replyTo = 'amq.rabbitmq.reply-to';
  const first = await t.channel();
  await closesChannel(first, 406, 'PRECONDITION_FAILED - reply consumer cannot acknowledge', () =>
    consume(first, replyTo),
  );
  const second = await t.channel();
  await closesChannel(second, 406, 'PRECONDITION_FAILED - fast reply consumer does not exist', () =>
    second.sendToQueue('anywhere', Buffer.alloc(0), { replyTo }),
  );
});
