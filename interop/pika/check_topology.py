"""Queues and exchanges: declare, bind, delete, and when they go by themselves."""

from harness import Inbox, check, closes_channel, equal

KINDS = ("direct", "fanout", "topic", "headers")


@check
def queues_are_declared_counted_purged_and_deleted(t):
    channel = t.channel(confirm=True)
    name = t.queue(channel, durable=True)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", name, body)
    declared = channel.queue_declare(name, passive=True).method
    equal((declared.queue, declared.message_count, declared.consumer_count), (name, 3, 0))
    equal(channel.queue_purge(name).method.message_count, 3, "purged")
    channel.basic_publish("", name, b"4")
    equal(channel.queue_delete(name).method.message_count, 1, "deleted with")
    equal(channel.queue_delete(name).method.message_count, 0, "deleted again with")
    with closes_channel(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
        channel.queue_declare(name, passive=True)


@check
def exchanges_of_all_four_types_are_declared_and_deleted(t):
    for kind in KINDS:
        channel = t.channel()
        name = t.exchange(channel, kind, durable=True)
        channel.exchange_declare(name, kind, durable=True)
        channel.exchange_declare(name, passive=True)
        channel.exchange_delete(name)
        channel.exchange_delete(name)
        with closes_channel(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'"):
            channel.exchange_declare(name, passive=True)


@check
def predeclared_exchanges_exist(t):
    channel = t.channel()
    for name in ("direct", "fanout", "topic", "headers", "match"):
        channel.exchange_declare(f"amq.{name}", passive=True)


@check
def binding_twice_is_once_and_unbinding_what_is_not_bound_succeeds(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "direct")
    name = t.bound(channel, exchange, "key")
    channel.queue_bind(name, exchange, "key")
    channel.basic_publish(exchange, "key", b"one copy")
    equal(channel.queue_declare(name, passive=True).method.message_count, 1, "messages")
    for _ in range(2):
        channel.queue_unbind(name, exchange, "key")
    channel.queue_unbind(t.name("missing"), t.name("missing"), "key")
    channel.basic_publish(exchange, "key", b"to nobody")
    equal(channel.queue_declare(name, passive=True).method.message_count, 1, "messages")


@check
def server_named_queue_gets_a_fresh_name(t):
    channel = t.channel()
    names = [channel.queue_declare("", exclusive=True).method.queue for _ in range(2)]
    for name in names:
        assert name.startswith("amq.gen-"), name
        equal(len(name), len("amq.gen-") + 22, "length of the name")
    assert names[0] != names[1], names


@check
def empty_queue_name_means_the_last_declared_queue(t):
    channel = t.channel(confirm=True)
    name = t.queue(channel)
    exchange = t.exchange(channel, "direct")
    channel.queue_bind("", exchange, "")
    channel.basic_publish(exchange, name, b"bound under the queue's name")
    equal(channel.basic_get("", auto_ack=True)[2], b"bound under the queue's name")


@check
def auto_delete_queue_goes_with_its_last_consumer(t):
    channel = t.channel()
    name = t.queue(channel, auto_delete=True)
    channel.queue_declare(name, passive=True)
    first, second = Inbox(channel, name), Inbox(channel, name)
    channel.basic_cancel(first.tag)
    equal(channel.queue_declare(name, passive=True).method.consumer_count, 1, "consumers")
    channel.basic_cancel(second.tag)
    with closes_channel(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
        channel.queue_declare(name, passive=True)


@check
def auto_delete_exchange_goes_with_its_last_binding(t):
    channel = t.channel()
    exchange = t.exchange(channel, "topic", auto_delete=True)
    channel.exchange_declare(exchange, passive=True)
    first, second = t.bound(channel, exchange, "a"), t.bound(channel, exchange, "b")
    channel.queue_unbind(first, exchange, "a")
    channel.exchange_declare(exchange, passive=True)
    channel.queue_delete(second)
    with closes_channel(404, f"NOT_FOUND - no exchange '{exchange}' in vhost '/'"):
        channel.exchange_declare(exchange, passive=True)


@check
def exclusive_queue_is_locked_to_its_connection(t):
    name = t.queue(t.channel(), exclusive=True)
    other = t.connect()
    text = (
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. "
        "It could be originally declared on another connection or the exclusive property value "
        "does not match that of the original declaration."
    )
    for use in (
        lambda channel: channel.queue_declare(name, passive=True),
        lambda channel: channel.queue_declare(name, exclusive=True),
        lambda channel: channel.basic_consume(name, lambda *_: None),
        lambda channel: channel.basic_get(name),
        lambda channel: channel.queue_purge(name),
        lambda channel: channel.queue_delete(name),
    ):
        with closes_channel(405, text):
            use(other.channel())


@check
def closing_the_connection_removes_its_exclusive_queues(t):
    owner = t.connect()
    name = t.queue(owner.channel(), exclusive=True)
    other = t.connect().channel()
    owner.close()
    with closes_channel(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
        other.queue_declare(name, passive=True)
