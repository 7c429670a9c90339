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
