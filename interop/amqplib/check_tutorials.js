// The tutorial programs, run as a new user runs them: processes that talk through the broker.

import assert from 'node:assert/strict';

import { check } from './harness.js';

/** A program that has told us it is ready. */
async function listening(t, name, ...args) {
  const program = t.program(name, ...args);
  await program.prints('waiting');
  return program;
}

/** A program that prints these lines and ends. */
async function run(t, name, args, lines) {
  const program = t.program(name, ...args);
  await program.prints(...lines);
  await program.ends();
}

check('tutorial hello world', async (t) => {
  t.removeLater({ queue: 'tutorial.hello' });
  await run(t, 'hello_send.js', [], ['sent Hello, warren!']);
  const receiver = await listening(t, 'hello_receive.js');
  await receiver.prints('received Hello, warren!');
});

check('tutorial work queues', async (t) => {
  t.removeLater({ queue: 'tutorial.tasks' });
  const workers = [await listening(t, 'tasks_worker.js'), await listening(t, 'tasks_worker.js')];
  await run(t, 'tasks_send.js', ['one', 'two'], ['sent one', 'sent two']);
  const done = await Promise.all(workers.map((worker) => worker.line()));
  assert.deepEqual(done.sort(), ['done one', 'done two']);
});

check('tutorial publish subscribe', async (t) => {
  t.removeLater({ exchange: 'tutorial.logs' });
  await run(t, 'logs_send.js', ['too early'], ['sent too early']);
  const receivers = [await listening(t, 'logs_receive.js'), await listening(t, 'logs_receive.js')];
  await run(t, 'logs_send.js', ['a', 'b'], ['sent a', 'sent b']);
  for (const receiver of receivers) await receiver.prints('received a', 'received b');
});

check('tutorial routing', async (t) => {
  t.removeLater({ exchange: 'tutorial.severities' });
  const errors = await listening(t, 'routing_receive.js', 'error');
  const everything = await listening(t, 'routing_receive.js', 'info', 'error');
  await run(t, 'routing_send.js', ['info', 'fine'], ['sent info: fine']);
  await run(t, 'routing_send.js', ['error', 'broken'], ['sent error: broken']);
  await errors.prints('received error: broken');
  await everything.prints('received info: fine', 'received error: broken');
});

check('tutorial topics', async (t) => {
  t.removeLater({ exchange: 'tutorial.topics' });
  const kernel = await listening(t, 'topics_receive.js', 'kernel.*');
  const critical = await listening(t, 'topics_receive.js', '*.critical', '#.end');
  for (const topic of ['kernel.info', 'mail.critical', 'kernel.critical', 'the.very.end']) {
    await run(t, 'topics_send.js', [topic, 'line'], [`sent ${topic}: line`]);
  }
  await kernel.prints('received kernel.info: line', 'received kernel.critical: line');
  await critical.prints('received mail.critical: line', 'received kernel.critical: line');
  await critical.prints('received the.very.end: line');
});

check('tutorial rpc', async (t) => {
  t.removeLater({ queue: 'tutorial.rpc' });
  const server = await listening(t, 'rpc_server.js');
  await run(t, 'rpc_client.js', ['10', '30'], ['fibonacci(10) = 55', 'fibonacci(30) = 832040']);
  await server.prints('answered 10', 'answered 30');
});

check('tutorial publisher confirms', async (t) => {
  await run(t, 'confirms_send.js', ['a', 'b'], ['confirmed a', 'confirmed b', 'returned lost?']);
});

check('tutorial retries with backoff', async (t) => {
  const name = 'tutorial.retries';
  for (const queue of [name, `${name}.100`, `${name}.300`]) t.removeLater({ queue });
  const worker = await listening(t, 'retries_worker.js');
  await run(t, 'retries_send.js', ['fine', 'broken'], ['sent fine', 'sent broken']);
  await worker.prints('done fine', 'broken failed, again in 100 ms');
  await worker.prints('broken failed, again in 300 ms', 'gave up broken');
});

check('tutorial priorities', async (t) => {
  t.removeLater({ queue: 'tutorial.priorities' });
  const tasks = ['1:sweep', '9:fire', '5:cook', '9:flood'];
  await run(t, 'priorities_send.js', tasks, tasks.map((task) => `sent ${task}`));
  const worker = await listening(t, 'priorities_worker.js');
  await worker.prints('done 9:fire', 'done 9:flood', 'done 5:cook', 'done 1:sweep');
});

check('tutorial quorum queue with poison', async (t) => {
  for (const queue of ['tutorial.quorum', 'tutorial.quorum.dead']) t.removeLater({ queue });
  const undertaker = await listening(t, 'quorum_dead.js');
  const worker = await listening(t, 'quorum_worker.js');
  const tasks = ['one', 'poison', 'two'];
  await run(t, 'quorum_send.js', tasks, tasks.map((task) => `sent ${task}`));
  await undertaker.prints('dead poison: delivery_limit');
  const lines = [];
  while (lines.length < 5) lines.push(await worker.line());
  assert.equal(lines.filter((line) => line === 'failed poison').length, 3);
});

check('tutorial delayed messages', async (t) => {
  await t.needsExchangeType('x-delayed-message', { 'x-delayed-type': 'direct' });
  t.removeLater({ exchange: 'tutorial.delayed' });
  const receiver = await listening(t, 'delayed_receive.js');
  const lines = ['sent last', 'sent first', 'sent then'];
  await run(t, 'delayed_send.js', ['600:last', '0:first', '300:then'], lines);
  await receiver.prints('received first', 'received then', 'received last');
});
