// Which queues a message reaches: the four exchange types and what can be put between them.

import assert from 'node:assert/strict';

import { check, counts } from './harness.js';

const empty = Buffer.alloc(0);

/** Publishes under each key and compares which queues got a message. */
async function expectRoutes(channel, exchange, queues, routes) {
  for (const [key, expected] of Object.entries(routes)) {
    channel.publish(exchange, key, empty);
    assert.deepEqual(await counts(channel, queues), expected, `key '${key}'`);
  }
}

/** A new queue for each binding key. */
async function boundTo(t, channel, exchange, keys) {
  const queues = [];
  for (const key of keys) queues.push(await t.bound(channel, exchange, key));
  return queues;
}

check('default exchange routes by queue name', async (t) => {
  const channel = await t.channel();
  const queues = [await t.queue(channel), await t.queue(channel)];
  await expectRoutes(channel, '', queues, { [queues[0]]: [1, 0], [queues[1]]: [0, 1] });
});

check('direct exchange routes by key until unbound', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'direct');
  const queues = await boundTo(t, channel, exchange, ['a', 'a', 'b']);
  await expectRoutes(channel, exchange, queues, { a: [1, 1, 0], b: [0, 0, 1], c: [0, 0, 0] });
  await channel.unbindQueue(queues[0], exchange, 'a');
  await expectRoutes(channel, exchange, queues, { a: [0, 1, 0] });
});

check('fanout exchange routes to all until unbound', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'fanout');
  const queues = await boundTo(t, channel, exchange, ['', 'ignored']);
  await expectRoutes(channel, exchange, queues, { any: [1, 1] });
  await channel.unbindQueue(queues[1], exchange, 'ignored');
  await expectRoutes(channel, exchange, queues, { any: [1, 0] });
});

check('topic exchange routes by pattern until unbound', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'topic');
  const patterns = ['a.b', 'a.*', 'a.#', '#', '*.b', '#.b.#', 'a*'];
  const queues = await boundTo(t, channel, exchange, patterns);
  await expectRoutes(channel, exchange, queues, {
    'a.b': [1, 1, 1, 1, 1, 1, 0],
    a: [0, 0, 1, 1, 0, 0, 0],
    'a.': [0, 1, 1, 1, 0, 0, 0],
    'a.b.c': [0, 0, 1, 1, 0, 1, 0],
    b: [0, 0, 0, 1, 0, 1, 0],
    '': [0, 0, 0, 1, 0, 0, 0],
    'a*': [0, 0, 0, 1, 0, 0, 1],
  });
  await channel.unbindQueue(queues[3], exchange, '#');
  await expectRoutes(channel, exchange, queues, { 'a.b': [1, 1, 1, 0, 1, 1, 0] });
});

check('headers exchange matches any and all until unbound', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'headers');
  const wanted = { colour: 'red', size: 7 };
  const bindings = [
    { 'x-match': 'all', ...wanted },
    { 'x-match': 'any', ...wanted },
    wanted, // all is the default
    { 'x-match': 'any', colour: null }, // a void value asks for presence only
  ];
  const queues = [];
  for (const args of bindings) queues.push(await t.bound(channel, exchange, '', args));
  const expectMatches = async (headers, expected) => {
    channel.publish(exchange, 'colour', empty, { headers });
    assert.deepEqual(await counts(channel, queues), expected, JSON.stringify(headers));
  };
  await expectMatches({ ...wanted, more: true }, [1, 1, 1, 1]);
  await expectMatches({ colour: 'red', size: { '!': 'int64', value: 7 } }, [1, 1, 1, 1]);
  await expectMatches({ colour: 'red', size: 8 }, [0, 1, 0, 1]);
  await expectMatches({ colour: 'blue' }, [0, 0, 0, 1]);
  await expectMatches({ size: 7 }, [0, 1, 0, 0]);
  await expectMatches({ size: '7' }, [0, 0, 0, 0]);
  await expectMatches(undefined, [0, 0, 0, 0]);
  await channel.unbindQueue(queues[1], exchange, '', bindings[1]);
  await expectMatches(wanted, [1, 0, 1, 1]);
});

check('exchange to exchange bindings route on and may form a ring', async (t) => {
  const channel = await t.channel();
  const source = await t.exchange(channel, 'topic');
  const target = await t.exchange(channel, 'direct');
  const queues = [await t.bound(channel, source, '#')];
  queues.push(await t.bound(channel, target, 'logs.error'));
  await channel.bindExchange(target, source, 'logs.*');
  await channel.bindExchange(source, target, 'logs.error');
  const routes = { 'logs.error': [1, 1], 'logs.info': [1, 0], other: [1, 0] };
  await expectRoutes(channel, source, queues, routes);
  await channel.unbindExchange(target, source, 'logs.*');
  await expectRoutes(channel, source, queues, { 'logs.error': [1, 0] });
});

check('alternate exchange takes what matches nothing', async (t) => {
  const channel = await t.channel();
  const alternateExchange = await t.exchange(channel, 'fanout');
  const exchange = await t.exchange(channel, 'direct', { durable: false, alternateExchange });
  const queues = [await t.bound(channel, exchange, 'known')];
  queues.push(await t.bound(channel, alternateExchange));
  await expectRoutes(channel, exchange, queues, { known: [1, 0], unknown: [0, 1] });
});

check('cc and bcc add routing keys and bcc is not seen', async (t) => {
  const channel = await t.channel();
  const queues = [];
  for (let count = 0; count < 4; count += 1) queues.push(await t.queue(channel));
  const CC = [queues[1], queues[0]];
  const headers = { kept: 'yes' };
  channel.sendToQueue(queues[0], Buffer.from('copy'), { CC, BCC: queues[2], headers });
  for (const queue of queues.slice(0, 3)) {
    const { fields, properties, content } = await channel.get(queue, { noAck: true });
    assert.deepEqual([fields.routingKey, fields.messageCount], [queues[0], 0]);
    assert.deepEqual([content.toString(), properties.headers], ['copy', { CC, kept: 'yes' }]);
  }
  assert.deepEqual(await counts(channel, queues), [0, 0, 0, 0]);
});
