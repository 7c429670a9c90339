"""Which queues a message reaches: the four exchange types and what can be put between them."""

from pika import BasicProperties

from harness import check, equal


def counts(channel, queues):
    """How many messages wait in each queue; empties them."""
    return [channel.queue_purge(name).method.message_count for name in queues]


@check
def default_exchange_routes_by_queue_name(t):
    channel = t.channel(confirm=True)
    queues = [t.queue(channel) for _ in range(2)]
    channel.basic_publish("", queues[0], b"")
    equal(counts(channel, queues), [1, 0])


@check
def direct_exchange_routes_by_key_until_unbound(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "direct")
    queues = [t.bound(channel, exchange, key) for key in ("a", "a", "b")]
    channel.basic_publish(exchange, "a", b"")
    equal(counts(channel, queues), [1, 1, 0])
    channel.queue_unbind(queues[0], exchange, "a")
    channel.basic_publish(exchange, "a", b"")
    equal(counts(channel, queues), [0, 1, 0])


@check
def fanout_exchange_routes_to_all_until_unbound(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "fanout")
    queues = [t.bound(channel, exchange, key) for key in ("", "ignored")]
    channel.basic_publish(exchange, "any", b"")
    equal(counts(channel, queues), [1, 1])
    channel.queue_unbind(queues[1], exchange, "ignored")
    channel.basic_publish(exchange, "any", b"")
    equal(counts(channel, queues), [1, 0])


@check
def topic_exchange_routes_by_pattern_until_unbound(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "topic")
    patterns = ("a.b", "a.*", "a.#", "#", "*.b", "#.b.#", "a*")
    queues = [t.bound(channel, exchange, pattern) for pattern in patterns]
    for key, expected in {
        "a.b": [1, 1, 1, 1, 1, 1, 0],
        "a": [0, 0, 1, 1, 0, 0, 0],
        "a.": [0, 1, 1, 1, 0, 0, 0],
        "a.b.c": [0, 0, 1, 1, 0, 1, 0],
        "b": [0, 0, 0, 1, 0, 1, 0],
        "": [0, 0, 0, 1, 0, 0, 0],
        "a*": [0, 0, 0, 1, 0, 0, 1],
    }.items():
        channel.basic_publish(exchange, key, b"")
        equal(counts(channel, queues), expected, f"key '{key}'")
    channel.queue_unbind(queues[3], exchange, "#")
    channel.basic_publish(exchange, "a.b", b"")
    equal(counts(channel, queues), [1, 1, 1, 0, 1, 1, 0], "after unbind")


@check
def headers_exchange_matches_any_and_all_until_unbound(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "headers")
    wanted = {"colour": "red", "size": 7}
    bindings = [
        {"x-match": "all", **wanted},
        {"x-match": "any", **wanted},
        dict(wanted),  # all is the default
        {"x-match": "any", "colour": None},  # a void value asks for presence only
    ]
    queues = [t.bound(channel, exchange, "", arguments) for arguments in bindings]
    for headers, expected in (
        ({"colour": "red", "size": 7, "more": True}, [1, 1, 1, 1]),
        ({"colour": "red", "size": 8}, [0, 1, 0, 1]),
        ({"colour": "blue"}, [0, 0, 0, 1]),
        ({"size": 7}, [0, 1, 0, 0]),
        ({"size": "7"}, [0, 0, 0, 0]),
        (None, [0, 0, 0, 0]),
    ):
        channel.basic_publish(exchange, "colour", b"", BasicProperties(headers=headers))
        equal(counts(channel, queues), expected, f"headers {headers}")
    channel.queue_unbind(queues[1], exchange, "", bindings[1])
    channel.basic_publish(exchange, "", b"", BasicProperties(headers=wanted))
    equal(counts(channel, queues), [1, 0, 1, 1], "after unbind")


@check
def exchange_to_exchange_bindings_route_on_and_may_form_a_ring(t):
    channel = t.channel(confirm=True)
    source, target = t.exchange(channel, "topic"), t.exchange(channel, "direct")
    queues = [t.bound(channel, source, "#"), t.bound(channel, target, "logs.error")]
    channel.exchange_bind(target, source, "logs.*")
    channel.exchange_bind(source, target, "logs.error")
    for key, expected in {"logs.error": [1, 1], "logs.info": [1, 0], "other": [1, 0]}.items():
        channel.basic_publish(source, key, b"")
        equal(counts(channel, queues), expected, f"key '{key}'")
    channel.exchange_unbind(target, source, "logs.*")
    channel.basic_publish(source, "logs.error", b"")
    equal(counts(channel, queues), [1, 0], "after unbind")


@check
def alternate_exchange_takes_what_matches_nothing(t):
    channel = t.channel(confirm=True)
    alternate = t.exchange(channel, "fanout")
    exchange = t.exchange(channel, "direct", arguments={"alternate-exchange": alternate})
    queues = [t.bound(channel, exchange, "known"), t.bound(channel, alternate)]
    for key, expected in {"known": [1, 0], "unknown": [0, 1]}.items():
        channel.basic_publish(exchange, key, b"", mandatory=True)
        equal(counts(channel, queues), expected, f"key '{key}'")


@check
def cc_and_bcc_add_routing_keys_and_bcc_is_not_seen(t):
    channel = t.channel(confirm=True)
    queues = [t.queue(channel) for _ in range(4)]
    headers = {"CC": [queues[1], queues[0]], "BCC": [queues[2]], "kept": "yes"}
    channel.basic_publish("", queues[0], b"copy", BasicProperties(headers=headers))
    for name in queues[:3]:
        method, properties, body = channel.basic_get(name, auto_ack=True)
        equal((method.routing_key, method.message_count, body), (queues[0], 0, b"copy"))
        equal(properties.headers, {"CC": [queues[1], queues[0]], "kept": "yes"}, "headers")
    equal(counts(channel, queues), [0, 0, 0, 0])
