// Connections: login, virtual hosts, heartbeats, many channels, closing.

import assert from 'node:assert/strict';

import { check, quoted, within } from './harness.js';

const CHANNELS = 100;
const HEARTBEAT_SECONDS = 2;
const IDLE_MS = 5000; // the broker drops a silent peer, and the library a silent broker, after 4 s

check('wrong password is 403', async (t) => {
  const text =
    'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. ' +
    'For details see the broker logfile.';
  for (const login of [{ password: 'wrong' }, { username: 'nobody' }, { password: '' }]) {
    await assert.rejects(t.connect(login), (error) => {
      assert.match(error.message, /\b403 /);
      assert.equal(quoted(error), text);
      return true;
    });
  }
});

check('wrong vhost is refused with a close', async (t) => {
  // The library says what it got instead of open-ok, but not with which code.
  await assert.rejects(t.connect({ vhost: 'missing' }), { message: /got <ConnectionClose / });
});

check('idle connection lives on heartbeats', async (t) => {
  const connection = await t.connect({ heartbeat: HEARTBEAT_SECONDS });
  const channel = await t.channel(connection);
  const { stream } = connection.connection;
  const [received, started] = [stream.bytesRead, Date.now()];
  // Nothing else arrives, so the broker's heartbeats are the clock.
  const idle = new Promise((resolve) => {
    stream.on('readable', () => Date.now() - started >= IDLE_MS && resolve());
  });
  const lost = connection.closed.then(() => assert.fail('the connection was closed'));
  await within(Promise.race([idle, lost]), 'heartbeats');
  assert.equal((stream.bytesRead - received) % 8, 0, 'bytes that are no heartbeat');
  await channel.assertQueue('', { exclusive: true });
});

check('hundred channels work on one connection', async (t) => {
  const connection = await t.connect();
  const numbers = Array.from({ length: CHANNELS }, (_, number) => number);
  const channels = await Promise.all(numbers.map(() => t.confirmChannel(connection)));
  const queue = await t.queue(channels[0]);
  for (const [number, channel] of channels.entries()) {
    channel.sendToQueue(queue, Buffer.from(String(number)));
    await within(channel.waitForConfirms(), 'a confirm');
  }
  const bodies = [];
  for (const channel of channels.reverse()) {
    bodies.push(Number((await channel.get(queue, { noAck: true })).content));
  }
  assert.deepEqual(bodies, numbers);
  await Promise.all(channels.map((channel) => channel.close()));
  await (await t.channel(connection)).assertQueue('', { exclusive: true });
});

check('channel limit is negotiated', async (t) => {
  const connection = await t.connect({ channelMax: 2 });
  await t.channel(connection);
  await t.channel(connection);
  await assert.rejects(t.channel(connection), /No channels left/);
});

check('secret can be updated', async (t) => {
  const connection = await t.connect();
  await within(connection.updateSecret(Buffer.from('guest'), 'routine'), 'update-secret-ok');
  await (await t.channel(connection)).assertQueue('', { exclusive: true });
});

check('small frames split a message', async (t) => {
  const channel = await t.confirmChannel(await t.connect({ frameMax: 8192 }));
  const queue = await t.queue(channel);
  const body = Buffer.alloc(100_000, 'not a multiple of the frame size');
  channel.sendToQueue(queue, body);
  const { content } = await channel.get(queue, { noAck: true });
  assert.ok(content.equals(body), 'the body differs');
});

check('closing the connection is answered', async (t) => {
  const connection = await t.connect();
  await t.channel(connection);
  await within(connection.close(), 'connection.close-ok');
  await within(connection.closed, 'the end of the connection');
});
