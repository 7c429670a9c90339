// What every check uses: connections that are closed, names that are deleted, waits that end.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import amqplib from 'amqplib';

const WAIT_MS = 10_000; // for one event
export const CHECK_MS = 30_000; // for one whole check

export const checks = [];

/** Registers a check; its name is what it proves. */
export function check(name, body) {
  checks.push({ name, body });
}

/** Thrown by a check that the broker cannot take: a feature that its version has not. */
export class Skip extends Error {}

/** Waits for a promise, but not for ever. */
export async function within(promise, what, limit = WAIT_MS) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out waiting for ${what}`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The action must end in a channel.close with this code and exactly this text. */
export async function closesChannel(channel, code, text, action) {
  const closed = new Promise((resolve) => channel.once('close', resolve));
  const failed = new Promise((resolve) => channel.once('error', resolve));
  // A call that waits for a reply is rejected as well; what counts is the close itself.
  Promise.resolve(action()).catch(() => {});
  const error = await within(failed, `channel.close with ${code}`);
  assert.deepEqual([error.code, quoted(error)], [code, text]);
  await within(closed, 'the end of the channel');
}

/** The reply text inside an error's message. */
export function quoted(error) {
  return /with message "(.*)"/s.exec(error.message)?.[1];
}

/** Things that arrive, in order; `next` waits for one. */
export class Inbox {
  items = [];
  #waiting = [];

  push(item) {
    const resolve = this.#waiting.shift();
    if (resolve) resolve(item);
    else this.items.push(item);
  }

  async next(what = 'a delivery') {
    if (this.items.length > 0) return this.items.shift();
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }

  async take(count) {
    const taken = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }

  async bodies(count) {
    return (await this.take(count)).map((message) => message.content.toString());
  }
}

/** Consumes into an inbox. A cancel sent by the broker arrives as null. */
export async function consume(channel, queue, options) {
  const inbox = new Inbox();
  const ok = await channel.consume(queue, (message) => inbox.push(message), options);
  inbox.tag = ok.consumerTag;
  return inbox;
}

/** How many messages wait. The reply comes after all earlier deliveries on the channel. */
export async function ready(channel, queue) {
  return (await channel.checkQueue(queue)).messageCount;
}

/** How many messages wait in each queue; empties them. */
export async function counts(channel, queues) {
  const found = [];
  for (const queue of queues) found.push((await channel.purgeQueue(queue)).messageCount);
  return found;
}

/** A tutorial program in a process of its own. */
class Program {
  constructor(name, args) {
    const path = fileURLToPath(new URL(`tutorials/${name}`, import.meta.url));
    this.name = name;
    this.lines = new Inbox();
    const stdio = ['ignore', 'pipe', 'inherit'];
    this.process = spawn(process.execPath, [path, ...args], { stdio });
    this.exit = new Promise((resolve) => this.process.once('exit', resolve));
    createInterface({ input: this.process.stdout }).on('line', (line) => this.lines.push(line));
  }

  line() {
    return this.lines.next(`a line from ${this.name}`);
  }

  async prints(...expected) {
    for (const line of expected) assert.equal(await this.line(), line, this.name);
  }

  async ends() {
    const code = await within(this.exit, `the end of ${this.name}`);
    assert.equal(code, 0, `exit code of ${this.name}`);
  }

  async stop() {
    this.process.kill();
    await within(this.exit, `the end of ${this.name}`);
  }
}

/** One check's dealings with the broker. Leaves nothing behind. */
export class Trial {
  #connections = [];
  #queues = [];
  #exchanges = [];
  #programs = [];

  async connect(overrides = {}) {
    const { clientProperties, ...rest } = overrides;
    const target = {
      protocol: 'amqp',
      hostname: process.env.AMQP_HOST ?? '127.0.0.1',
      port: Number(process.env.AMQP_PORT ?? 5672),
      username: 'guest',
      password: 'guest',
      ...rest,
    };
    const connection = await within(amqplib.connect(target, { clientProperties }), 'a connection');
    connection.on('error', () => {}); // what goes wrong shows in the calls that fail
    connection.closed = new Promise((resolve) => connection.once('close', resolve));
    this.#connections.push(connection);
    connection.once('close', () => this.#forget(connection));
    return connection;
  }

  #forget(connection) {
    this.#connections = this.#connections.filter((other) => other !== connection);
  }

  async #main() {
    return this.#connections[0] ?? this.connect();
  }

  async channel(connection) {
    return Trial.#quiet(await (connection ?? (await this.#main())).createChannel());
  }

  async confirmChannel(connection) {
    return Trial.#quiet(await (connection ?? (await this.#main())).createConfirmChannel());
  }

  static #quiet(channel) {
    channel.on('error', () => {});
    return channel;
  }

  /** A name that no other check uses. */
  name(what) {
    return `interop.${what}.${randomUUID().slice(0, 13)}`;
  }

  async queue(channel, options = { durable: false }) {
    const { queue } = await channel.assertQueue(this.name('queue'), options);
    this.#queues.push(queue);
    return queue;
  }

  async exchange(channel, type, options = { durable: false }) {
    const { exchange } = await channel.assertExchange(this.name(type), type, options);
    this.#exchanges.push(exchange);
    return exchange;
  }

  /** Skips the check on a RabbitMQ that lacks this exchange type, which is a plugin there. */
  async needsExchangeType(type, args = {}) {
    const connection = await this.connect();
    const { product } = connection.connection.serverProperties;
    const channel = await this.channel(connection);
    const refused = new Promise((resolve) => {
      for (const each of [connection, channel]) each.once('error', resolve); // 503, since 4.0 406
    });
    try {
      await this.exchange(channel, type, { durable: false, arguments: args });
    } catch {
      const error = await within(refused, 'the reason');
      if (product !== 'RabbitMQ' || ![406, 503].includes(error.code)) throw error;
      throw new Skip(`no exchange type ${type}`);
    }
  }

  /** A new queue bound to the exchange. */
  async bound(channel, exchange, key = '', args = {}) {
    const queue = await this.queue(channel);
    await channel.bindQueue(queue, exchange, key, args);
    return queue;
  }

  /** A queue with these messages, and a channel to use it on. */
  async filled(bodies = [], options = undefined) {
    const channel = await this.confirmChannel();
    const queue = await this.queue(channel, options);
    for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body));
    await within(channel.waitForConfirms(), 'confirms');
    return { channel, queue };
  }

  removeLater({ queue, exchange }) {
    if (queue) this.#queues.push(queue);
    if (exchange) this.#exchanges.push(exchange);
  }

  program(name, ...args) {
    const program = new Program(name, args);
    this.#programs.push(program);
    return program;
  }

  async close() {
    for (const program of this.#programs) await program.stop();
    for (const connection of this.#connections) await connection.close();
    if (this.#queues.length + this.#exchanges.length === 0) return;
    const connection = await this.connect();
    const channel = await this.channel(connection);
    for (const queue of this.#queues) await channel.deleteQueue(queue);
    for (const exchange of this.#exchanges) await channel.deleteExchange(exchange);
    await connection.close();
  }
}
