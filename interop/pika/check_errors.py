"""What the broker refuses, and in which words: client code matches on code and text."""

from pika.exceptions import ConnectionClosedByBroker

from harness import Inbox, check, closes_channel, equal


@check
def passive_declare_of_a_missing_queue_is_404(t):
    name = t.name("missing")
    with closes_channel(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
        t.channel().queue_declare(name, passive=True)


@check
def passive_declare_of_a_missing_exchange_is_404(t):
    name = t.name("missing")
    with closes_channel(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'"):
        t.channel().exchange_declare(name, passive=True)


@check
def consuming_or_binding_a_missing_queue_is_404(t):
    name = t.name("missing")
    for use in (
        lambda channel: channel.basic_consume(name, lambda *_: None),
        lambda channel: channel.basic_get(name),
        lambda channel: channel.queue_purge(name),
        lambda channel: channel.queue_bind(name, "amq.direct", "key"),
    ):
        with closes_channel(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
            use(t.channel())


@check
def redeclaring_a_queue_with_other_properties_is_406(t):
    name = t.queue(t.channel(), durable=True, arguments={"x-max-length": 1000})
    longer = {"x-max-length": 2000}
    for key, received, current, options in (
        ("durable", "'false'", "'true'", {}),
        ("auto_delete", "'true'", "'false'", {"durable": True, "auto_delete": True}),
        ("x-max-length", "'2000'", "'1000'", {"durable": True, "arguments": longer}),
        ("x-max-length", "none", "the value '1000' of type 'signedint'", {"durable": True}),
    ):
        text = (
            f"PRECONDITION_FAILED - inequivalent arg '{key}' for queue '{name}' in vhost '/': "
            f"received {received} but current is {current}"
        )
        with closes_channel(406, text):
            t.channel().queue_declare(name, **options)


@check
def redeclaring_an_exchange_with_other_properties_is_406(t):
    name = t.exchange(t.channel(), "direct", durable=True)
    for key, received, current, kind, options in (
        ("type", "'topic'", "'direct'", "topic", {"durable": True}),
        ("durable", "'false'", "'true'", "direct", {}),
        ("internal", "'true'", "'false'", "direct", {"durable": True, "internal": True}),
    ):
        text = (
            f"PRECONDITION_FAILED - inequivalent arg '{key}' for exchange '{name}' in vhost '/': "
            f"received {received} but current is {current}"
        )
        with closes_channel(406, text):
            t.channel().exchange_declare(name, kind, **options)


@check
def reserved_names_are_403(t):
    name = "amq." + t.name("mine")
    for what, declare in (
        ("queue", lambda channel: channel.queue_declare(name)),
        ("exchange", lambda channel: channel.exchange_declare(name)),
    ):
        text = f"ACCESS_REFUSED - {what} name '{name}' contains reserved prefix 'amq.*'"
        with closes_channel(403, text):
            declare(t.channel())


@check
def default_exchange_cannot_be_bound_or_deleted(t):
    text = "ACCESS_REFUSED - operation not permitted on the default exchange"
    name = t.queue(t.channel())
    with closes_channel(403, text):
        t.channel().queue_bind(name, "", "key")
    with closes_channel(403, text):
        t.channel().exchange_delete("")


@check
def conditional_deletes_are_406_while_in_use(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "fanout")
    name = t.bound(channel, exchange)
    channel.basic_publish("", name, b"")
    with closes_channel(406, f"PRECONDITION_FAILED - queue '{name}' in vhost '/' not empty"):
        t.channel().queue_delete(name, if_empty=True)
    with closes_channel(406, f"PRECONDITION_FAILED - exchange '{exchange}' in vhost '/' in use"):
        t.channel().exchange_delete(exchange, if_unused=True)
    Inbox(channel, name)
    with closes_channel(406, f"PRECONDITION_FAILED - queue '{name}' in vhost '/' in use"):
        t.channel().queue_delete(name, if_unused=True)


@check
def publishing_to_a_missing_exchange_is_404(t):
    name = t.name("missing")
    channel = t.channel()
    with closes_channel(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'"):
        channel.basic_publish(name, "key", b"")
        channel.queue_declare("", exclusive=True)


@check
def publishing_to_an_internal_exchange_is_403(t):
    channel = t.channel()
    name = t.exchange(channel, "fanout", internal=True)
    text = f"ACCESS_REFUSED - cannot publish to internal exchange '{name}' in vhost '/'"
    with closes_channel(403, text):
        channel.basic_publish(name, "", b"")
        channel.queue_declare("", exclusive=True)


@check
def unknown_delivery_tag_is_406(t):
    name = t.queue(t.channel())
    for settle in (
        lambda channel: channel.basic_ack(99),
        lambda channel: channel.basic_nack(99),
        lambda channel: channel.basic_reject(99),
    ):
        channel = t.channel()
        with closes_channel(406, "PRECONDITION_FAILED - unknown delivery tag 99"):
            settle(channel)
            channel.queue_declare(name, passive=True)


@check
def acking_twice_is_406(t):
    channel = t.channel(confirm=True)
    name = t.queue(channel)
    channel.basic_publish("", name, b"")
    tag = channel.basic_get(name)[0].delivery_tag
    channel.basic_ack(tag)
    with closes_channel(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}"):
        channel.basic_ack(tag)
        channel.queue_declare(name, passive=True)


@check
def exclusive_consumer_keeps_others_out_with_403(t):
    channel = t.channel()
    name = t.queue(channel)
    only = Inbox(channel, name, exclusive=True)
    text = f"ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use"
    with closes_channel(403, text):
        Inbox(t.channel(), name)
    channel.basic_cancel(only.tag)
    Inbox(channel, name)
    with closes_channel(403, text):
        Inbox(t.channel(), name, exclusive=True)


@check
def switching_between_confirms_and_transactions_is_406(t):
    channel = t.channel(confirm=True)
    with closes_channel(406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode"):
        channel.tx_select()
    channel = t.channel()
    channel.tx_select()
    with closes_channel(406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode"):
        channel.confirm_delivery()


@check
def channel_error_leaves_the_connection_and_other_channels_alone(t):
    connection = t.connect()
    healthy, failing = connection.channel(), connection.channel()
    number = failing.channel_number
    name = t.name("missing")
    with closes_channel(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
        failing.queue_declare(name, passive=True)
    healthy.queue_declare("", exclusive=True)
    connection.channel(number).queue_declare("", exclusive=True)


@check
def reusing_a_consumer_tag_is_530_and_closes_the_connection(t):
    connection = t.connect()
    channel = connection.channel()
    name = t.queue(channel)
    # The library refuses a tag it knows, so this goes below that test.
    inbox = Inbox(channel, name, consumer_tag="twice")
    try:
        del channel._impl._consumers[inbox.tag]
        channel._impl.basic_consume(name, lambda *_: None, consumer_tag="twice")
        channel.queue_declare(name, passive=True)
    except ConnectionClosedByBroker as closed:
        text = "NOT_ALLOWED - attempt to reuse consumer tag 'twice'"
        equal((closed.reply_code, closed.reply_text), (530, text), "connection.close")
    else:
        raise AssertionError("the connection stayed open")
