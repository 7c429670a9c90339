// Queues and exchanges: declare, bind, delete, and when they go by themselves.

import assert from 'node:assert/strict';

import { check, closesChannel, consume, ready } from './harness.js';

const noQueue = (name) => `NOT_FOUND - no queue '${name}' in vhost '/'`;
const noExchange = (name) => `NOT_FOUND - no exchange '${name}' in vhost '/'`;

check('queues are declared counted purged and deleted', async (t) => {
  const { channel, queue } = await t.filled(['1', '2', '3']);
  assert.deepEqual(await channel.checkQueue(queue), { queue, messageCount: 3, consumerCount: 0 });
  assert.equal((await channel.purgeQueue(queue)).messageCount, 3);
  channel.sendToQueue(queue, Buffer.from('4'));
  assert.equal((await channel.deleteQueue(queue)).messageCount, 1);
  assert.equal((await channel.deleteQueue(queue)).messageCount, 0);
  await closesChannel(channel, 404, noQueue(queue), () => channel.checkQueue(queue));
});

check('exchanges of all four types are declared and deleted', async (t) => {
  for (const type of ['direct', 'fanout', 'topic', 'headers']) {
    const channel = await t.channel();
    const name = await t.exchange(channel, type, { durable: true });
    await channel.assertExchange(name, type, { durable: true });
    await channel.checkExchange(name);
    await channel.deleteExchange(name);
    await channel.deleteExchange(name);
    await closesChannel(channel, 404, noExchange(name), () => channel.checkExchange(name));
  }
});

check('predeclared exchanges exist', async (t) => {
  const channel = await t.channel();
  for (const type of ['direct', 'fanout', 'topic', 'headers', 'match']) {
    await channel.checkExchange(`amq.${type}`);
  }
});

check('binding twice is once and unbinding what is not bound succeeds', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'direct');
  const queue = await t.bound(channel, exchange, 'key');
  await channel.bindQueue(queue, exchange, 'key');
  channel.publish(exchange, 'key', Buffer.from('one copy'));
  assert.equal(await ready(channel, queue), 1);
  await channel.unbindQueue(queue, exchange, 'key');
  await channel.unbindQueue(queue, exchange, 'key');
  await channel.unbindQueue(t.name('missing'), t.name('missing'), 'key');
  channel.publish(exchange, 'key', Buffer.from('to nobody'));
  assert.equal(await ready(channel, queue), 1);
});

check('server named queue gets a fresh name', async (t) => {
  const channel = await t.channel();
  const first = (await channel.assertQueue('', { exclusive: true })).queue;
  const second = (await channel.assertQueue('', { exclusive: true })).queue;
  for (const name of [first, second]) assert.match(name, /^amq\.gen-[\w-]{22}$/);
  assert.notEqual(first, second);
});

check('auto delete queue goes with its last consumer', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, { autoDelete: true });
  await channel.checkQueue(queue);
  const first = await consume(channel, queue);
  const second = await consume(channel, queue);
  await channel.cancel(first.tag);
  assert.equal((await channel.checkQueue(queue)).consumerCount, 1);
  await channel.cancel(second.tag);
  await closesChannel(channel, 404, noQueue(queue), () => channel.checkQueue(queue));
});

check('auto delete exchange goes with its last binding', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'topic', { autoDelete: true });
  await channel.checkExchange(exchange);
  const first = await t.bound(channel, exchange, 'a');
  const second = await t.bound(channel, exchange, 'b');
  await channel.unbindQueue(first, exchange, 'a');
  await channel.checkExchange(exchange);
  await channel.deleteQueue(second);
  await closesChannel(channel, 404, noExchange(exchange), () => channel.checkExchange(exchange));
});

check('exclusive queue is locked to its connection', async (t) => {
  const queue = await t.queue(await t.channel(), { exclusive: true });
  const other = await t.connect();
  const text =
    `RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '${queue}' in vhost '/'. ` +
    'It could be originally declared on another connection or the exclusive property value ' +
    'does not match that of the original declaration.';
  for (const use of [
    (channel) => channel.checkQueue(queue),
    (channel) => channel.assertQueue(queue, { exclusive: true }),
    (channel) => channel.consume(queue, () => {}),
    (channel) => channel.get(queue),
    (channel) => channel.purgeQueue(queue),
    (channel) => channel.deleteQueue(queue),
  ]) {
    const channel = await t.channel(other);
    await closesChannel(channel, 405, text, () => use(channel));
  }
});

check('closing the connection removes its exclusive queues', async (t) => {
  const owner = await t.connect();
  const queue = await t.queue(await t.channel(owner), { exclusive: true });
  const channel = await t.channel(await t.connect());
  await owner.close();
  await closesChannel(channel, 404, noQueue(queue), () => channel.checkQueue(queue));
});
