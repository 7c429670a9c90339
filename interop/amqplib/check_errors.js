// What the broker refuses, and in which words: client code matches on code and text.

import assert from 'node:assert/strict';

import { check, closesChannel, consume, quoted, within } from './harness.js';

check('passive declare of a missing queue is 404', async (t) => {
  const [channel, name] = [await t.channel(), t.name('missing')];
  const text = `NOT_FOUND - no queue '${name}' in vhost '/'`;
  await closesChannel(channel, 404, text, () => channel.checkQueue(name));
});

check('passive declare of a missing exchange is 404', async (t) => {
  const [channel, name] = [await t.channel(), t.name('missing')];
  const text = `NOT_FOUND - no exchange '${name}' in vhost '/'`;
  await closesChannel(channel, 404, text, () => channel.checkExchange(name));
});

check('using a missing queue is 404', async (t) => {
  const name = t.name('missing');
  for (const use of [
    (channel) => channel.consume(name, () => {}),
    (channel) => channel.get(name),
    (channel) => channel.purgeQueue(name),
    (channel) => channel.bindQueue(name, 'amq.direct', 'key'),
  ]) {
    const channel = await t.channel();
    const text = `NOT_FOUND - no queue '${name}' in vhost '/'`;
    await closesChannel(channel, 404, text, () => use(channel));
  }
});

check('redeclaring a queue with other properties is 406', async (t) => {
  const name = await t.queue(await t.channel(), { durable: true, maxLength: 1000 });
  for (const [key, received, current, options] of [
    ['durable', "'false'", "'true'", { durable: false }],
    ['auto_delete', "'true'", "'false'", { autoDelete: true }],
    ['x-max-length', "'2000'", "'1000'", { maxLength: 2000 }],
    // amqplib sends the smallest integer that holds the number
    ['x-max-length', 'none', "the value '1000' of type 'short'", {}],
  ]) {
    const channel = await t.channel();
    const text =
      `PRECONDITION_FAILED - inequivalent arg '${key}' for queue '${name}' in vhost '/': ` +
      `received ${received} but current is ${current}`;
    await closesChannel(channel, 406, text, () => channel.assertQueue(name, options));
  }
});

check('redeclaring a queue with an equal argument of another width succeeds', async (t) => {
  const channel = await t.channel();
  const name = await t.queue(channel, { durable: false, maxLength: 1000 });
  const args = { 'x-max-length': { '!': 'int64', value: 1000 }, 'x-unknown': 'ignored' };
  await channel.assertQueue(name, { durable: false, arguments: args });
});

check('redeclaring an exchange with other properties is 406', async (t) => {
  const name = await t.exchange(await t.channel(), 'direct', { durable: true });
  for (const [key, received, current, type, options] of [
    ['type', "'topic'", "'direct'", 'topic', {}],
    ['durable', "'false'", "'true'", 'direct', { durable: false }],
    ['internal', "'true'", "'false'", 'direct', { internal: true }],
  ]) {
    const channel = await t.channel();
    const text =
      `PRECONDITION_FAILED - inequivalent arg '${key}' for exchange '${name}' in vhost '/': ` +
      `received ${received} but current is ${current}`;
    await closesChannel(channel, 406, text, () => channel.assertExchange(name, type, options));
  }
});

check('publishing to a missing exchange is 404', async (t) => {
  const [channel, name] = [await t.channel(), t.name('missing')];
  const text = `NOT_FOUND - no exchange '${name}' in vhost '/'`;
  await closesChannel(channel, 404, text, () => channel.publish(name, 'key', Buffer.alloc(0)));
});

check('publishing to an internal exchange is 403', async (t) => {
  const channel = await t.channel();
  const name = await t.exchange(channel, 'fanout', { durable: false, internal: true });
  const text = `ACCESS_REFUSED - cannot publish to internal exchange '${name}' in vhost '/'`;
  await closesChannel(channel, 403, text, () => channel.publish(name, '', Buffer.alloc(0)));
});

check('unknown delivery tag is 406', async (t) => {
  const message = { fields: { deliveryTag: 99 } };
  for (const settle of ['ack', 'nack', 'reject']) {
    const channel = await t.channel();
    const text = 'PRECONDITION_FAILED - unknown delivery tag 99';
    await closesChannel(channel, 406, text, () => channel[settle](message));
  }
});

check('acking twice is 406', async (t) => {
  const { channel, queue } = await t.filled(['once']);
  const message = await channel.get(queue);
  channel.ack(message);
  const text = 'PRECONDITION_FAILED - unknown delivery tag 1';
  await closesChannel(channel, 406, text, () => channel.ack(message));
});

check('exclusive consumer keeps others out with 403', async (t) => {
  const { channel, queue } = await t.filled();
  const only = await consume(channel, queue, { exclusive: true });
  const text = `ACCESS_REFUSED - queue '${queue}' in vhost '/' in exclusive use`;
  const second = await t.channel();
  await closesChannel(second, 403, text, () => consume(second, queue));
  await channel.cancel(only.tag);
  await consume(channel, queue);
  const third = await t.channel();
  await closesChannel(third, 403, text, () => consume(third, queue, { exclusive: true }));
});

check('conditional deletes are 406 while in use', async (t) => {
  const { channel, queue } = await t.filled(['one']);
  const exchange = await t.exchange(channel, 'fanout');
  await channel.bindQueue(queue, exchange, '');
  await consume(channel, queue, { noAck: false });
  const refused = async (text, action) => {
    const other = await t.channel();
    await closesChannel(other, 406, `PRECONDITION_FAILED - ${text}`, () => action(other));
  };
  await refused(`queue '${queue}' in vhost '/' in use`, (other) =>
    other.deleteQueue(queue, { ifUnused: true }),
  );
  await refused(`exchange '${exchange}' in vhost '/' in use`, (other) =>
    other.deleteExchange(exchange, { ifUnused: true }),
  );
});

check('channel error leaves the connection and other channels alone', async (t) => {
  const [healthy, failing, name] = [await t.channel(), await t.channel(), t.name('missing')];
  const text = `NOT_FOUND - no queue '${name}' in vhost '/'`;
  await closesChannel(failing, 404, text, () => failing.checkQueue(name));
  await healthy.assertQueue('', { exclusive: true });
  await (await t.channel()).assertQueue('', { exclusive: true });
});

check('reusing a consumer tag is 530 and closes the connection', async (t) => {
  const connection = await t.connect();
  const channel = await t.channel(connection);
  const queue = await t.queue(channel);
  await channel.consume(queue, () => {}, { consumerTag: 'twice' });
  const failed = new Promise((resolve) => connection.once('error', resolve));
  channel.consume(queue, () => {}, { consumerTag: 'twice' }).catch(() => {});
  const error = await within(failed, 'connection.close');
  const text = "NOT_ALLOWED - attempt to reuse consumer tag 'twice'";
  assert.deepEqual([error.code, quoted(error)], [530, text]);
});
