// Publishing: confirms, returns, properties and sizes.

import assert from 'node:assert/strict';

import { check, consume, counts, Inbox, ready, within } from './harness.js';

const WINDOW = 10_000; // publishes under way before the first confirm is waited for
const LARGE_BYTES = 5 * 1024 * 1024;

/** What comes back to a publisher, in order: ['return', body] and ['ack' or 'nack', tag]. */
function record(channel) {
  const events = [];
  channel.on('return', (message) => events.push(['return', message.content.toString()]));
  channel.on('ack', ({ deliveryTag, multiple }) => events.push(['ack', deliveryTag, multiple]));
  channel.on('nack', ({ deliveryTag, multiple }) => events.push(['nack', deliveryTag, multiple]));
  return events;
}

check('single publish is confirmed', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel);
  const events = record(channel);
  channel.sendToQueue(queue, Buffer.from('one'));
  await within(channel.waitForConfirms(), 'the confirm');
  assert.deepEqual(events, [['ack', 1, false]]);
  assert.equal((await channel.get(queue, { noAck: true })).content.toString(), 'one');
});

check('window of 10000 publishes is confirmed each exactly once', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, { durable: true });
  const confirmed = [];
  for (let number = 0; number < WINDOW; number += 1) {
    channel.sendToQueue(queue, Buffer.from(String(number)), { persistent: true }, (error) => {
      assert.equal(error, null);
      confirmed.push(number);
    });
  }
  await within(channel.waitForConfirms(), 'all confirms');
  assert.equal(new Set(confirmed).size, WINDOW);
  assert.equal(confirmed.length, WINDOW);
  const bodies = await (await consume(channel, queue, { noAck: true })).bodies(WINDOW);
  assert.ok(bodies.every((body, number) => body === String(number)), 'out of order');
  assert.equal(await ready(channel, queue), 0);
});

check('mandatory message is returned before its confirm', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel);
  const events = record(channel);
  const mandatory = { mandatory: true };
  channel.sendToQueue(t.name('missing'), Buffer.from('first'), mandatory);
  channel.sendToQueue(queue, Buffer.from('routed'), mandatory);
  channel.publish('amq.topic', 'x', Buffer.from('last'), mandatory);
  await within(channel.waitForConfirms(), 'confirms');
  const at = (wanted) => events.findIndex(wanted);
  for (const [body, number] of [['first', 1], ['last', 3]]) {
    const returned = at(([kind, what]) => kind === 'return' && what === body);
    const covers = (tag, multiple) => tag === number || (multiple && tag > number);
    const acked = at(([kind, tag, multiple]) => kind === 'ack' && covers(tag, multiple));
    assert.ok(returned >= 0 && returned < acked, `${body}: ${JSON.stringify(events)}`);
  }
  assert.equal(events.filter(([kind]) => kind === 'return').length, 2);
});

check('returned message names its reason exchange and key', async (t) => {
  const channel = await t.channel();
  const returns = new Inbox();
  channel.on('return', (message) => returns.push(message));
  channel.publish('amq.direct', 'nobody', Buffer.from('dropped silently'));
  channel.publish('amq.direct', 'nobody', Buffer.from('back'), { mandatory: true, appId: 'me' });
  const { fields, properties, content } = await returns.next('basic.return');
  assert.deepEqual([fields.replyCode, fields.replyText], [312, 'NO_ROUTE']);
  assert.deepEqual([fields.exchange, fields.routingKey], ['amq.direct', 'nobody']);
  assert.deepEqual([content.toString(), properties.appId], ['back', 'me']);
});

check('all properties come back as sent', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel);
  const sent = {
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { key: 'value' },
    deliveryMode: 2,
    priority: 7,
    correlationId: 'correlation',
    replyTo: 'reply',
    expiration: '600000',
    messageId: 'id',
    timestamp: 1_700_000_000,
    type: 'type',
    userId: 'guest',
    appId: 'application',
  };
  channel.sendToQueue(queue, Buffer.from('body'), sent);
  const { properties } = await channel.get(queue, { noAck: true });
  assert.deepEqual(properties, { ...sent, clusterId: undefined });
});

check('all header value types come back as sent', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel);
  const typed = (type, value) => ({ '!': type, value });
  const headers = {
    string: 'text, \u00fc and \u6f22',
    'empty string': '',
    bytes: Buffer.from([0, 255]),
    booleans: [true, false],
    integers: [0, -128, 127, -32_768, 32_767, -2_147_483_648, 2_147_483_647, -5_000_000_000],
    double: 0.1,
    timestamp: typed('timestamp', 1_700_000_000),
    decimal: typed('decimal', { places: 2, digits: 1234 }),
    void: null,
    array: [1, 'two', [null], { four: 4 }],
    'empty array': [],
    table: { nested: { deeper: { deepest: 'value' } } },
    'empty table': {},
  };
  const explicit = {
    uint8: typed('uint8', 255),
    uint16: typed('uint16', 65_535),
    uint32: typed('uint32', 4_294_967_295),
    int64: typed('int64', 7),
    float: typed('float', 0.5),
  };
  channel.sendToQueue(queue, Buffer.alloc(0), { headers: { ...headers, ...explicit } });
  const { properties } = await channel.get(queue, { noAck: true });
  for (const [key, { value }] of Object.entries(explicit)) headers[key] = value;
  assert.deepEqual(properties.headers, headers);
});

check('empty and large bodies come back unchanged', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel);
  const pattern = Buffer.from(Array.from({ length: 251 }, (_, octet) => octet));
  const large = Buffer.alloc(LARGE_BYTES, pattern);
  const bodies = [Buffer.alloc(0), large, Buffer.from('small')];
  for (const body of bodies) channel.sendToQueue(queue, body);
  const received = await (await consume(channel, queue, { noAck: true })).take(3);
  for (const [at, { content }] of received.entries()) {
    assert.ok(content.equals(bodies[at]), `body ${at} differs`);
  }
});

check('publishes on many channels at once all arrive', async (t) => {
  const channels = await Promise.all(Array.from({ length: 10 }, () => t.confirmChannel()));
  const queue = await t.queue(channels[0]);
  for (let number = 0; number < 1000; number += 1) {
    channels[number % channels.length].sendToQueue(queue, Buffer.alloc(number, 'x'));
  }
  await within(Promise.all(channels.map((channel) => channel.waitForConfirms())), 'confirms');
  assert.deepEqual(await counts(channels[0], [queue]), [1000]);
});
