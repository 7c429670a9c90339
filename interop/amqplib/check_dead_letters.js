// Messages that die: by age, by rejection, by a full queue. Where they go and what they carry.

import assert from 'node:assert/strict';

import { check, consume, within } from './harness.js';

const TTL_MS = 100;

const body = (message) => message.content.toString();

/** A queue with these options, the exchange its dead go to, and a queue that gets all of them. */
async function withGraveyard(t, options = {}) {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'topic');
  const graveyard = await t.bound(channel, exchange, '#');
  const mortal = { durable: false, deadLetterExchange: exchange, ...options };
  const queue = await t.queue(channel, mortal);
  return { channel, exchange, graveyard, queue };
}

/** Publishes and waits until the broker has taken everything. */
async function publish(channel, queue, bodies, options) {
  for (const each of bodies) channel.sendToQueue(queue, Buffer.from(each), options);
  await within(channel.waitForConfirms(), 'confirms');
}

/** The history of a dead message, newest first, without times. */
function deaths(message) {
  return message.properties.headers['x-death'].map((each) => {
    assert.equal(each.time['!'], 'timestamp');
    return [each.reason, each.queue, each.exchange, each['routing-keys'], each.count];
  });
}

check('rejected message goes to the dead letter exchange', async (t) => {
  const { channel, exchange, graveyard, queue } = await withGraveyard(t);
  await publish(channel, queue, ['bad'], { headers: { mine: 1 }, messageId: 'm' });
  channel.reject(await channel.get(queue), false);
  const dead = await (await consume(channel, graveyard, { noAck: true })).next();
  const { fields, properties } = dead;
  assert.deepEqual([fields.exchange, fields.routingKey, fields.redelivered, body(dead)],
    [exchange, queue, false, 'bad']);
  assert.deepEqual(deaths(dead), [['rejected', queue, '', [queue], 1]]);
  const { headers } = properties;
  assert.deepEqual([properties.messageId, headers.mine], ['m', 1]);
  assert.deepEqual(
    ['reason', 'queue', 'exchange'].map((what) => headers[`x-first-death-${what}`]),
    ['rejected', queue, ''],
  );
});

check('message ttl of a queue expires its messages', async (t) => {
  const { channel, graveyard, queue } = await withGraveyard(t, { messageTtl: TTL_MS });
  await publish(channel, queue, ['1', '2']);
  const dead = await (await consume(channel, graveyard, { noAck: true })).take(2);
  assert.deepEqual(dead.map(body), ['1', '2']);
  assert.deepEqual(deaths(dead[0]), [['expired', queue, '', [queue], 1]]);
  assert.equal(await channel.get(queue), false);
});

check('expiration of a message expires it', async (t) => {
  const { channel, graveyard, queue } = await withGraveyard(t, { deadLetterRoutingKey: 'dead' });
  await publish(channel, queue, ['short'], { expiration: TTL_MS });
  const dead = await (await consume(channel, graveyard, { noAck: true })).next();
  assert.deepEqual([body(dead), dead.fields.routingKey], ['short', 'dead']);
  assert.equal(dead.properties.expiration, undefined);
  assert.equal(dead.properties.headers['x-death'][0]['original-expiration'], String(TTL_MS));
});

check('ttl of zero reaches only a waiting consumer', async (t) => {
  const { channel, graveyard, queue } = await withGraveyard(t, { messageTtl: 0 });
  await publish(channel, queue, ['nobody waits']);
  const dead = await consume(channel, graveyard, { noAck: true });
  assert.deepEqual(await dead.bodies(1), ['nobody waits']);
  const waiting = await consume(channel, queue, { noAck: true });
  await publish(channel, queue, ['somebody waits']);
  assert.deepEqual(await waiting.bodies(1), ['somebody waits']);
});

check('retry loop with rejections goes on and counts', async (t) => {
  const channel = await t.confirmChannel();
  const work = t.name('work');
  t.removeLater({ queue: work });
  const waiting = await t.queue(channel, {
    durable: false, messageTtl: TTL_MS, deadLetterExchange: '', deadLetterRoutingKey: work,
  });
  const options = { durable: false, deadLetterExchange: '', deadLetterRoutingKey: waiting };
  await channel.assertQueue(work, options);
  await publish(channel, work, ['job']);
  const inbox = await consume(channel, work);
  for (let times = 0; times < 4; times += 1) {
    const message = await inbox.next();
    if (times > 0) {
      assert.deepEqual(deaths(message), [
        ['expired', waiting, '', [waiting], times],
        ['rejected', work, '', [work], times],
      ]);
    }
    channel.nack(message, false, false);
  }
});

check('loop without a rejection is cut', async (t) => {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'fanout');
  const witness = await t.bound(channel, exchange);
  const options = { durable: false, messageTtl: TTL_MS, deadLetterExchange: exchange };
  const queue = await t.queue(channel, options);
  await channel.bindQueue(queue, exchange, '');
  const inbox = await consume(channel, witness, { noAck: true });
  await publish(channel, queue, ['x']);
  assert.deepEqual(await inbox.bodies(1), ['x']);
  // Had it come back to the queue, it would expire before this.
  await publish(channel, queue, ['later']);
  assert.deepEqual(await inbox.bodies(1), ['later']);
  assert.equal(inbox.items.length, 0);
});
