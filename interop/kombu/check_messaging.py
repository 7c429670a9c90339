"""Producers, consumers and entities: declaring, routing, settling, the ConsumerMixin."""

import kombu
from kombu.common import eventloop, maybe_declare
from kombu.mixins import ConsumerMixin

from harness import WAIT_SECONDS, check, drain, equal


@check
def producer_declares_what_it_publishes_to(t):
    exchange = t.exchange("topic")
    name = t.name("queue")
    t.delete_later(lambda channel: channel.queue_delete(name))
    queue = kombu.Queue(name, exchange, "news.#", durable=False)
    producer = t.connection().Producer()
    producer.publish("flood", exchange=exchange, routing_key="news.local", declare=[queue])
    message = t.inbox(queue).next()
    equal((message.payload, message.delivery_info["routing_key"]), ("flood", "news.local"))


@check
def queue_is_bound_more_than_once(t):
    first, second = t.exchange("direct"), t.exchange("fanout")
    queue = t.queue(exchange=None, bindings=[
        kombu.binding(first, "a"), kombu.binding(first, "b"), kombu.binding(second)])
    inbox = t.inbox(queue)
    producer = t.connection().Producer()
    for exchange, key in ((first, "a"), (first, "c"), (first, "b"), (second, "any")):
        producer.publish(key, exchange=exchange, routing_key=key)
    equal(inbox.payloads(3), ["a", "b", "any"])


@check
def exchange_is_bound_to_exchange(t):
    inner, outer = t.exchange("fanout"), t.exchange("topic")
    channel = t.connection().channel()
    for exchange in (inner, outer):
        exchange(channel).declare()
    inner(channel).bind_to(outer, routing_key="in.*")
    inbox = t.inbox(t.queue(exchange=inner))
    producer = t.connection().Producer()
    for key in ("in.one", "out.two", "in.three"):
        producer.publish(key, exchange=outer, routing_key=key)
    equal(inbox.payloads(2), ["in.one", "in.three"])


@check
def declaring_again_with_other_arguments_is_refused(t):
    queue = t.queue(max_length=3)
    maybe_declare(queue, t.connection().channel())
    other = kombu.Queue(queue.name, max_length=4)
    try:
        other(t.connection().channel()).queue_declare()
    except t.connection().channel_errors as error:
        equal((error.reply_code, error.reply_text.split("'")[1]), (406, "x-max-length"))
        return
    raise AssertionError("the queue was declared again")


@check
def consumer_prefetches_and_requeues(t):
    queue = t.queue()
    t.publish(queue, 1, 2, 3)
    inbox = t.inbox(queue, no_ack=False, prefetch_count=2)
    first, second = inbox.next(), inbox.next()
    equal(t.count(queue), 1, "ready behind the prefetched ones")
    second.requeue()
    first.ack()
    again = [inbox.next(), inbox.next()]
    # Which of the two comes first depends on what the broker hears first: requeue or ack.
    equal({m.payload: m.delivery_info["redelivered"] for m in again}, {2: True, 3: False})


@check
def consumer_takes_from_several_queues_and_is_cancelled(t):
    one, two = t.queue(), t.queue()
    inbox = t.inbox(one, two)
    t.publish(one, "one")
    equal(inbox.payloads(1), ["one"])
    inbox.consumer.cancel_by_queue(one.name)
    t.publish(one, "stays")
    t.publish(two, "two")
    equal((inbox.payloads(1), t.count(one)), (["two"], 1))


@check
def eventloop_yields_messages(t):
    queue = t.queue()
    seen = []
    consumer = kombu.Consumer(t.connection().channel(), [queue], no_ack=True,
                              callbacks=[lambda body, _message: seen.append(body)])
    with consumer:
        t.publish(queue, "a", "b")
        for _ in eventloop(t.connection(), timeout=WAIT_SECONDS):
            if len(seen) == 2:
                break
    equal(seen, ["a", "b"])


@check
def consumer_mixin_runs_until_told_to_stop(t):
    queue = t.queue()

    class Worker(ConsumerMixin):
        """Takes two messages."""

        def __init__(self):
            self.connection = t.connect()
            self.seen = []

        def get_consumers(self, Consumer, channel):
            return [Consumer([queue], callbacks=[self.on_message], prefetch_count=1)]

        def on_message(self, body, message):
            self.seen.append(body)
            message.ack()
            self.should_stop = len(self.seen) == 2

    worker = Worker()
    t.publish(queue, 1, 2)
    worker.run()
    equal(worker.seen, [1, 2])


@check
def unroutable_mandatory_message_is_returned(t):
    returned = []
    producer = t.connection().Producer(on_return=lambda *parts: returned.append(parts))
    producer.publish("lost", routing_key=t.name("nowhere"), mandatory=True)
    drain(t.connection(), lambda: returned, "the return")
    error = returned[0][0]
    equal((error.reply_code, error.reply_text), (312, "NO_ROUTE"))
