"""Publishing: confirms, returns, properties, sizes and transactions."""

from datetime import datetime
from decimal import Decimal

import pika
from pika import BasicProperties
from pika.compat import long
from pika.exceptions import NackError, UnroutableError

from harness import Inbox, check, closes_channel, equal, parameters

WINDOW = 10_000  # publishes under way before the first confirm is waited for
LARGE_BYTES = 5 * 1024 * 1024


def publish_and_record(messages, **options):
    """Publishes (exchange, key, body) in confirm mode on the callback API, without waiting in
    between. Returns what came back, in order: ("return", body) and ("ack", tag, multiple)."""
    events, unsettled = [], set(range(1, len(messages) + 1))

    def on_confirm(frame):
        kind, tag = frame.method.NAME.split(".")[1].lower(), frame.method.delivery_tag
        events.append((kind, tag, frame.method.multiple))
        done = [n for n in unsettled if n <= tag] if frame.method.multiple else [tag]
        for number in done:
            unsettled.remove(number)  # a second confirm for one message is a KeyError
        if not unsettled:
            publisher.close()

    def on_channel(channel):
        channel.add_on_return_callback(lambda _c, _m, _p, body: events.append(("return", body)))
        channel.confirm_delivery(on_confirm, callback=lambda _ok: publish(channel))

    def publish(channel):
        for exchange, key, body in messages:
            channel.basic_publish(exchange, key, body, **options)

    publisher = pika.SelectConnection(
        parameters(),
        on_open_callback=lambda connection: connection.channel(on_open_callback=on_channel),
        on_open_error_callback=lambda connection, _error: connection.ioloop.stop(),
        on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
    )
    publisher.ioloop.start()
    equal(len(unsettled), 0, "messages without a confirm")
    return events


@check
def single_publish_is_confirmed(t):
    name = t.queue(t.channel())
    equal(publish_and_record([("", name, b"one")]), [("ack", 1, False)], "confirms")
    equal(t.channel().basic_get(name, auto_ack=True)[2], b"one")


@check
def window_of_10000_publishes_is_confirmed_each_exactly_once(t):
    channel = t.channel()
    name = t.queue(channel, durable=True)
    bodies = [b"%d" % number for number in range(WINDOW)]
    events = publish_and_record([("", name, body) for body in bodies])
    equal({event[0] for event in events}, {"ack"}, "kinds of confirms")
    equal(channel.queue_declare(name, passive=True).method.message_count, WINDOW, "messages")
    equal(Inbox(channel, name, auto_ack=True).bodies(WINDOW), bodies, "order")


@check
def mandatory_message_is_returned_before_its_confirm(t):
    channel = t.channel()
    name = t.queue(channel)
    events = publish_and_record(
        [("", t.name("missing"), b"first"), ("", name, b"routed"), ("amq.topic", "x", b"last")],
        mandatory=True,
    )
    returned = [event[1] for event in events if event[0] == "return"]
    equal(returned, [b"first", b"last"], "returned")
    confirmed = {n: at for at, e in enumerate(events) if e[0] == "ack" for n in range(1, e[1] + 1)}
    assert events.index(("return", b"first")) < confirmed[1], events
    assert events.index(("return", b"last")) < confirmed[3], events


@check
def returned_message_names_its_reason_exchange_and_key(t):
    channel = t.channel(confirm=True)
    try:
        channel.basic_publish("amq.direct", "nobody", b"back", mandatory=True)
    except UnroutableError as error:
        (returned,) = error.messages
        method = returned.method
        equal((method.reply_code, method.reply_text), (312, "NO_ROUTE"), "basic.return")
        equal((method.exchange, method.routing_key), ("amq.direct", "nobody"))
        equal(returned.body, b"back", "body")
    else:
        raise AssertionError("nothing was returned")
    channel.basic_publish("amq.direct", "nobody", b"dropped silently")


@check
def all_properties_come_back_as_sent(t):
    channel = t.channel(confirm=True)
    name = t.queue(channel)
    sent = BasicProperties(
        content_type="text/plain",
        content_encoding="utf-8",
        headers={"key": "value"},
        delivery_mode=2,
        priority=7,
        correlation_id="correlation",
        reply_to="reply",
        expiration="600000",
        message_id="id",
        timestamp=1_700_000_000,
        type="type",
        user_id="guest",
        app_id="application",
        cluster_id="cluster",
    )
    for properties in (sent, BasicProperties()):
        channel.basic_publish("", name, b"body", properties)
        equal(vars(channel.basic_get(name, auto_ack=True)[1]), vars(properties), "properties")


@check
def all_header_value_types_come_back_as_sent(t):
    channel = t.channel(confirm=True)
    name = t.queue(channel)
    sent = {
        "string": "text, \u00fc and \u6f22",
        "empty string": "",
        "bytes": b"\x00\xff",
        "true": True,
        "false": False,
        "int": -7,
        "int limits": [-(2**31), 2**31 - 1],
        "long": long(5),
        "long limits": [-(2**63), 2**63 - 1],
        "decimal": Decimal("-12.345"),
        "timestamp": datetime(2024, 2, 29, 12, 30, 45),
        "void": None,
        "array": [1, "two", [True, None], {"four": 4}],
        "empty array": [],
        "table": {"nested": {"deeper": {"deepest": "value"}}},
        "empty table": {},
    }
    channel.basic_publish("", name, b"", BasicProperties(headers=sent))
    equal(channel.basic_get(name, auto_ack=True)[1].headers, sent, "headers")


@check
def empty_and_large_bodies_come_back_unchanged(t):
    channel = t.channel(confirm=True)
    name = t.queue(channel)
    large = bytes(range(256)) * (LARGE_BYTES // 256)
    bodies = [b"", large, b"small"]
    for body in bodies:
        channel.basic_publish("", name, body)
    assert Inbox(channel, name, auto_ack=True).bodies(3) == bodies, "a body differs"


@check
def committed_transaction_publishes_and_acks(t):
    channel = t.channel()
    name = t.queue(channel)
    channel.basic_publish("", name, b"before")
    channel.tx_select()
    channel.basic_publish("", name, b"after")
    method, _, body = channel.basic_get(name)
    equal(body, b"before")
    equal(channel.basic_get(name)[0], None, "message before the commit")
    channel.basic_ack(method.delivery_tag)
    channel.tx_commit()
    equal(channel.basic_get(name)[2], b"after")
    channel.close()
    method, _, body = t.channel().basic_get(name)
    equal((body, method.redelivered, method.message_count), (b"after", True, 0))


@check
def rolled_back_transaction_forgets_publishes_and_acks(t):
    channel = t.channel()
    name = t.queue(channel)
    channel.basic_publish("", name, b"stays")
    channel.tx_select()
    channel.basic_publish("", name, b"never")
    channel.basic_ack(channel.basic_get(name)[0].delivery_tag)
    channel.tx_rollback()
    equal(channel.basic_get(name)[0], None, "message after the rollback")
    channel.basic_ack(1)
    channel.tx_rollback()
    channel.close()
    method, _, body = t.channel().basic_get(name)
    equal((body, method.redelivered, method.message_count), (b"stays", True, 0))


@check
def commit_without_a_transaction_is_406(t):
    for method in ("tx_commit", "tx_rollback"):
        channel = t.channel()
        with closes_channel(406, "PRECONDITION_FAILED - channel is not transactional"):
            getattr(channel, method)()
