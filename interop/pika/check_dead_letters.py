"""Messages that die: by age, by rejection, by a full queue. Where they go and what they carry."""

import calendar
import time

from pika import BasicProperties

from harness import WAIT_SECONDS, Inbox, check, equal

TTL_MS = 100


def with_graveyard(t, channel, key=None, **arguments):
    """A queue, the exchange its dead go to, and a queue that gets all of them."""
    exchange = t.exchange(channel, "topic")
    graveyard = t.bound(channel, exchange, "#")
    arguments["x-dead-letter-exchange"] = exchange
    if key is not None:
        arguments["x-dead-letter-routing-key"] = key
    return t.queue(channel, arguments=arguments), exchange, graveyard


def deaths(properties):
    """The history of a dead message, newest first, without times."""
    return [(each["reason"], each["queue"], each["exchange"], each["routing-keys"], each["count"])
            for each in properties.headers["x-death"]]


@check
def rejected_message_goes_to_the_dead_letter_exchange(t):
    channel = t.channel(confirm=True)
    queue, exchange, graveyard = with_graveyard(t, channel)
    properties = BasicProperties(headers={"mine": 1}, content_type="text/x", message_id="m")
    channel.basic_publish("", queue, b"bad", properties)
    method, _, _ = channel.basic_get(queue)
    began = int(time.time())
    channel.basic_reject(method.delivery_tag, requeue=False)
    method, properties, body = Inbox(channel, graveyard).next()
    equal((method.exchange, method.routing_key, method.redelivered, body),
          (exchange, queue, False, b"bad"))
    equal((properties.content_type, properties.message_id), ("text/x", "m"))
    equal(deaths(properties), [("rejected", queue, "", [queue], 1)])
    death = properties.headers["x-death"][0]
    equal(sorted(death), ["count", "exchange", "queue", "reason", "routing-keys", "time"])
    died = calendar.timegm(death["time"].timetuple())
    assert began - 1 <= died <= began + WAIT_SECONDS, death["time"]
    headers = properties.headers
    equal([headers[f"x-first-death-{what}"] for what in ("reason", "queue", "exchange")],
          ["rejected", queue, ""])
    equal(headers["mine"], 1)


@check
def nacked_messages_die_in_order(t):
    channel = t.channel(confirm=True)
    queue, _, graveyard = with_graveyard(t, channel)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", queue, body)
    last = Inbox(channel, queue)
    last.bodies(3)
    channel.basic_nack(3, multiple=True, requeue=False)
    equal(Inbox(channel, graveyard).bodies(3), [b"1", b"2", b"3"])


@check
def message_ttl_of_a_queue_expires_its_messages(t):
    channel = t.channel(confirm=True)
    queue, exchange, graveyard = with_graveyard(t, channel, **{"x-message-ttl": TTL_MS})
    for body in (b"1", b"2"):
        channel.basic_publish("", queue, body)
    inbox = Inbox(channel, graveyard)
    for expected in (b"1", b"2"):
        method, properties, body = inbox.next()
        equal((body, method.exchange, method.routing_key), (expected, exchange, queue))
        equal(deaths(properties), [("expired", queue, "", [queue], 1)])
    equal(channel.basic_get(queue), (None, None, None))


@check
def expiration_of_a_message_expires_it_at_the_head(t):
    channel = t.channel(confirm=True)
    queue, _, graveyard = with_graveyard(t, channel)
    for body, expiration in ((b"long", "60000"), (b"short", str(TTL_MS)), (b"stays", None)):
        channel.basic_publish("", queue, body, BasicProperties(expiration=expiration))
    # The short one is over, but behind one that is not.
    equal(channel.basic_get(queue, auto_ack=True)[2], b"long")
    _, properties, body = Inbox(channel, graveyard).next()
    equal((body, properties.expiration), (b"short", None))
    equal(properties.headers["x-death"][0]["original-expiration"], str(TTL_MS))
    equal(channel.basic_get(queue, auto_ack=True)[2], b"stays")


@check
def ttl_of_zero_reaches_only_a_waiting_consumer(t):
    channel = t.channel(confirm=True)
    queue, _, graveyard = with_graveyard(t, channel, **{"x-message-ttl": 0})
    channel.basic_publish("", queue, b"nobody waits")
    equal(Inbox(channel, graveyard).bodies(1), [b"nobody waits"])
    inbox = Inbox(channel, queue, auto_ack=True)
    channel.basic_publish("", queue, b"somebody waits")
    equal(inbox.bodies(1), [b"somebody waits"])


@check
def unacked_message_does_not_expire_until_requeued(t):
    channel = t.channel(confirm=True)
    queue, _, graveyard = with_graveyard(t, channel, **{"x-message-ttl": TTL_MS})
    channel.basic_publish("", queue, b"held")
    channel.basic_publish("", queue, b"free")
    held, _, body = channel.basic_get(queue)
    equal(body, b"held")
    inbox = Inbox(channel, graveyard)
    equal(inbox.bodies(1), [b"free"])
    channel.basic_reject(held.delivery_tag, requeue=True)
    equal(inbox.bodies(1), [b"held"])


@check
def dead_letter_routing_key_replaces_all_keys(t):
    channel = t.channel(confirm=True)
    queue, exchange, graveyard = with_graveyard(t, channel, key="dead", **{"x-max-length": 0})
    channel.basic_publish("", queue, b"x", BasicProperties(headers={"CC": ["cc"], "BCC": ["bcc"]}))
    inbox = Inbox(channel, graveyard)
    method, properties, _ = inbox.next()
    equal((method.exchange, method.routing_key), (exchange, "dead"))
    equal(deaths(properties), [("maxlen", queue, "", [queue, "cc"], 1)])
    assert "BCC" not in properties.headers, properties.headers


@check
def deaths_in_two_queues_are_told_newest_first(t):
    channel = t.channel(confirm=True)
    last = t.queue(channel)
    second = t.queue(channel, arguments={
        "x-message-ttl": TTL_MS, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": last})
    first = t.queue(channel, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": second})
    channel.basic_publish("", first, b"x")
    method, _, _ = channel.basic_get(first)
    channel.basic_reject(method.delivery_tag, requeue=False)
    _, properties, _ = Inbox(channel, last).next()
    equal(deaths(properties), [
        ("expired", second, "", [second], 1),
        ("rejected", first, "", [first], 1),
    ])
    equal(properties.headers["x-first-death-queue"], first)


@check
def retry_loop_with_rejections_goes_on_and_counts(t):
    channel = t.channel(confirm=True)
    work = t.name("work")
    waiting = t.queue(channel, arguments={
        "x-message-ttl": TTL_MS, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work})
    t.remove_later(queue_name=work)
    channel.queue_declare(work, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": waiting})
    channel.basic_publish("", work, b"job")
    inbox = Inbox(channel, work)
    for times in range(4):
        method, properties, _ = inbox.next()
        if times:
            equal(deaths(properties), [
                ("expired", waiting, "", [waiting], times),
                ("rejected", work, "", [work], times),
            ])
        channel.basic_reject(method.delivery_tag, requeue=False)


@check
def loop_without_a_rejection_is_cut(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "fanout")
    queue = t.queue(channel, arguments={
        "x-message-ttl": TTL_MS, "x-dead-letter-exchange": exchange})
    witness = t.bound(channel, exchange)
    channel.queue_bind(queue, exchange)
    inbox = Inbox(channel, witness)
    channel.basic_publish("", queue, b"x")
    equal(inbox.bodies(1), [b"x"])
    # Had it come back to the queue, it would expire before this.
    channel.basic_publish("", queue, b"later")
    equal(inbox.bodies(1), [b"later"])
    equal(inbox.messages, [])


@check
def message_dies_quietly_without_a_dead_letter_exchange(t):
    channel = t.channel(confirm=True)
    queue = t.queue(channel, arguments={
        "x-message-ttl": TTL_MS, "x-dead-letter-exchange": t.name("missing")})
    other, _, graveyard = with_graveyard(t, channel, **{"x-message-ttl": 2 * TTL_MS})
    channel.basic_publish("", queue, b"lost")
    channel.basic_publish("", other, b"clock")
    equal(Inbox(channel, graveyard).bodies(1), [b"clock"])
    equal(channel.basic_get(queue), (None, None, None))


@check
def purged_and_deleted_messages_are_not_dead_letters(t):
    channel = t.channel(confirm=True)
    queue, exchange, graveyard = with_graveyard(t, channel)
    channel.basic_publish("", queue, b"purged")
    channel.queue_purge(queue)
    channel.basic_publish("", queue, b"deleted")
    channel.queue_delete(queue)
    channel.basic_publish(exchange, "key", b"end")
    equal(Inbox(channel, graveyard).bodies(1), [b"end"])


@check
def unused_queue_expires(t):
    channel = t.channel(confirm=True)
    queue = t.queue(channel, arguments={"x-expires": 2 * TTL_MS})
    kept = t.queue(channel, arguments={"x-expires": 2 * TTL_MS})
    Inbox(channel, kept)
    # What is bound to nothing but the queue goes with it, if it goes by itself.
    witness = t.exchange(channel, "fanout", auto_delete=True)
    alternate = t.exchange(channel, "fanout")
    gone = t.bound(channel, alternate)
    front = t.exchange(channel, "direct", arguments={"alternate-exchange": alternate})
    channel.exchange_bind(witness, front, "x")
    channel.queue_bind(queue, witness)
    inbox = Inbox(channel, gone)
    while not inbox.messages:  # now the witness is gone, and so its binding
        channel.basic_publish(front, "x", b"x")
        channel.connection.process_data_events(time_limit=0.05)
    equal(t.channel().queue_declare(kept, passive=True).method.consumer_count, 1)
