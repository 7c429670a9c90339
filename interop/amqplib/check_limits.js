// What a queue refuses, drops or puts first: lengths, priorities, delivery limits, consumers.

import assert from 'node:assert/strict';

import { check, consume, within } from './harness.js';

const body = (message) => message.content.toString();

/** A queue with these options, and one for what dies in it. */
async function limited(t, options) {
  const channel = await t.confirmChannel();
  const graveyard = await t.queue(channel);
  const queue = await t.queue(channel, {
    durable: false, deadLetterExchange: '', deadLetterRoutingKey: graveyard, ...options,
  });
  return { channel, graveyard, queue };
}

/** Publishes one message after the other: whether the broker took each. */
async function taken(channel, queue, bodies) {
  const answers = [];
  for (const each of bodies) {
    const answer = new Promise((resolve) => {
      channel.sendToQueue(queue, Buffer.from(each), {}, (error) => resolve(error === null));
    });
    answers.push(await within(answer, 'the confirm'));
  }
  return answers;
}

/** The bodies of all ready messages. */
async function drained(channel, queue) {
  const bodies = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (!message) return bodies;
    bodies.push(body(message));
  }
}

/** The next dead messages, as [reason, body]. */
async function dead(channel, graveyard, count) {
  const messages = await (await consume(channel, graveyard, { noAck: true })).take(count);
  return messages.map((each) => [each.properties.headers['x-death'][0].reason, body(each)]);
}

check('full queue drops its head', async (t) => {
  const { channel, graveyard, queue } = await limited(t, { maxLength: 2 });
  await taken(channel, queue, ['1', '2', '3', '4']);
  assert.deepEqual(await dead(channel, graveyard, 2), [['maxlen', '1'], ['maxlen', '2']]);
  assert.deepEqual(await drained(channel, queue), ['3', '4']);
});

check('full queue drops as many as the bytes need', async (t) => {
  const options = { arguments: { 'x-max-length-bytes': 10 } };
  const { channel, graveyard, queue } = await limited(t, options);
  await taken(channel, queue, ['111', '222', '333', '4444444']);
  assert.deepEqual(await dead(channel, graveyard, 2), [['maxlen', '111'], ['maxlen', '222']]);
  assert.deepEqual(await drained(channel, queue), ['333', '4444444']);
});

check('full queue that rejects nacks the publisher', async (t) => {
  const options = { maxLength: 2, arguments: { 'x-overflow': 'reject-publish' } };
  const { channel, graveyard, queue } = await limited(t, options);
  assert.deepEqual(await taken(channel, queue, ['1', '2', '3']), [true, true, false]);
  assert.equal(body(await channel.get(queue, { noAck: true })), '1');
  assert.deepEqual(await taken(channel, queue, ['4']), [true]);
  assert.deepEqual(await drained(channel, queue), ['2', '4']);
  assert.deepEqual(await drained(channel, graveyard), []);
});

check('rejected publish is dead lettered if asked', async (t) => {
  const options = { maxLength: 1, arguments: { 'x-overflow': 'reject-publish-dlx' } };
  const { channel, graveyard, queue } = await limited(t, options);
  assert.deepEqual(await taken(channel, queue, ['1', '2']), [true, false]);
  assert.deepEqual(await dead(channel, graveyard, 1), [['maxlen', '2']]);
  assert.deepEqual(await drained(channel, queue), ['1']);
});

check('higher priority comes first and order is kept within', async (t) => {
  const { channel, queue } = await t.filled([], { durable: false, maxPriority: 10 });
  const sent = { a: 1, b: 5, c: undefined, d: 5, e: 10, f: 255, g: 0 };
  for (const [text, priority] of Object.entries(sent)) {
    channel.sendToQueue(queue, Buffer.from(text), { priority });
  }
  await within(channel.waitForConfirms(), 'confirms');
  assert.deepEqual(await drained(channel, queue), ['e', 'f', 'b', 'd', 'a', 'c', 'g']);
});

check('poisonous message dies at its delivery limit', async (t) => {
  const { channel, graveyard, queue } = await limited(t, {
    durable: true, arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 },
  });
  await taken(channel, queue, ['poison']);
  const inbox = await consume(channel, queue);
  const counts = [];
  for (let delivery = 0; delivery < 3; delivery += 1) {
    const message = await inbox.next();
    counts.push(message.properties.headers?.['x-delivery-count'] ?? 0);
    channel.reject(message);
  }
  assert.deepEqual(counts, [0, 1, 2]);
  assert.deepEqual(await dead(channel, graveyard, 1), [['delivery_limit', 'poison']]);
});

check('next single active consumer gets what was unacked', async (t) => {
  const options = { durable: false, arguments: { 'x-single-active-consumer': true } };
  const { channel, queue } = await t.filled(['1', '2'], options);
  const active = await t.channel();
  const first = await consume(active, queue);
  const second = await consume(channel, queue);
  assert.deepEqual(await first.bodies(2), ['1', '2']);
  assert.equal(second.items.length, 0);
  await active.close();
  const again = await second.take(2);
  assert.deepEqual(again.map((each) => [each.fields.redelivered, body(each)]),
    [[true, '1'], [true, '2']]);
});
