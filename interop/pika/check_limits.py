"""What a queue refuses, drops or puts first: lengths, priorities, delivery limits, consumers."""

from pika import BasicProperties
from pika.exceptions import NackError

from harness import Inbox, check, closes_channel, equal


def nacked(channel, queue, body):
    """Whether the broker refuses the message."""
    try:
        channel.basic_publish("", queue, body)
    except NackError:
        return True
    return False


def drained(channel, queue):
    """The bodies of all ready messages."""
    bodies = []
    while (body := channel.basic_get(queue, auto_ack=True)[2]) is not None:
        bodies.append(body)
    return bodies


def limited(t, channel, **arguments):
    """A queue with a graveyard. Underscores in the names become dashes."""
    graveyard = t.queue(channel)
    arguments = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": graveyard}
    durable = arguments.get("x-queue-type") == "quorum"
    return t.queue(channel, durable=durable, arguments=arguments), graveyard


@check
def full_queue_drops_its_head(t):
    channel = t.channel(confirm=True)
    queue, graveyard = limited(t, channel, max_length=2)
    for body in (b"1", b"2", b"3", b"4"):
        channel.basic_publish("", queue, body)
    inbox = Inbox(channel, graveyard)
    for expected in (b"1", b"2"):
        _, properties, body = inbox.next()
        equal((body, properties.headers["x-death"][0]["reason"]), (expected, "maxlen"))
    equal(drained(channel, queue), [b"3", b"4"])


@check
def full_queue_drops_as_many_as_the_bytes_need(t):
    channel = t.channel(confirm=True)
    queue, graveyard = limited(t, channel, max_length_bytes=10)
    for body in (b"111", b"222", b"333", b"4444444"):
        channel.basic_publish("", queue, body)
    equal(Inbox(channel, graveyard).bodies(2), [b"111", b"222"])
    equal(drained(channel, queue), [b"333", b"4444444"])


@check
def unacked_messages_do_not_count_as_length(t):
    channel = t.channel(confirm=True)
    queue, _ = limited(t, channel, max_length=1)
    channel.basic_publish("", queue, b"held")
    held, _, _ = channel.basic_get(queue)
    channel.basic_publish("", queue, b"ready")
    equal(channel.queue_declare(queue, passive=True).method.message_count, 1)
    channel.basic_ack(held.delivery_tag)
    equal(drained(channel, queue), [b"ready"])


@check
def full_queue_that_rejects_nacks_the_publisher(t):
    channel = t.channel(confirm=True)
    queue, graveyard = limited(t, channel, max_length=2, overflow="reject-publish")
    equal([nacked(channel, queue, body) for body in (b"1", b"2", b"3")], [False, False, True])
    equal(channel.basic_get(queue, auto_ack=True)[2], b"1")
    equal(nacked(channel, queue, b"4"), False)
    equal((drained(channel, queue), drained(channel, graveyard)), ([b"2", b"4"], []))


@check
def full_queue_that_rejects_by_bytes_nacks_the_publisher(t):
    channel = t.channel(confirm=True)
    queue, _ = limited(t, channel, max_length_bytes=4, overflow="reject-publish")
    equal([nacked(channel, queue, body) for body in (b"123", b"45", b"6")], [False, True, False])
    equal(drained(channel, queue), [b"123", b"6"])


@check
def rejected_publish_is_dead_lettered_if_asked(t):
    channel = t.channel(confirm=True)
    queue, graveyard = limited(t, channel, max_length=1, overflow="reject-publish-dlx")
    equal([nacked(channel, queue, body) for body in (b"1", b"2")], [False, True])
    _, properties, body = Inbox(channel, graveyard).next()
    equal((body, properties.headers["x-death"][0]["reason"]), (b"2", "maxlen"))
    equal(drained(channel, queue), [b"1"])


@check
def fanout_nacks_when_one_of_its_queues_is_full(t):
    channel = t.channel(confirm=True)
    exchange = t.exchange(channel, "fanout")
    full, _ = limited(t, channel, max_length=0, overflow="reject-publish")
    roomy = t.bound(channel, exchange)
    channel.queue_bind(full, exchange)
    try:
        channel.basic_publish(exchange, "", b"x")
    except NackError:
        equal((drained(channel, full), drained(channel, roomy)), ([], [b"x"]))
        return
    raise AssertionError("the message was confirmed")


@check
def higher_priority_comes_first_and_order_is_kept_within(t):
    channel = t.channel(confirm=True)
    queue = t.queue(channel, arguments={"x-max-priority": 10})
    sent = [(b"a", 1), (b"b", 5), (b"c", None), (b"d", 5), (b"e", 10), (b"f", 255), (b"g", 0)]
    for body, priority in sent:
        channel.basic_publish("", queue, body, BasicProperties(priority=priority))
    equal(drained(channel, queue), [b"e", b"f", b"b", b"d", b"a", b"c", b"g"])


@check
def requeued_message_returns_to_its_place_in_its_priority(t):
    channel = t.channel(confirm=True)
    queue = t.queue(channel, arguments={"x-max-priority": 3})
    for body, priority in ((b"1", 2), (b"2", 2), (b"3", 1)):
        channel.basic_publish("", queue, body, BasicProperties(priority=priority))
    method, _, body = channel.basic_get(queue)
    equal(body, b"1")
    channel.basic_publish("", queue, b"0", BasicProperties(priority=3))
    channel.basic_reject(method.delivery_tag, requeue=True)
    equal(drained(channel, queue), [b"0", b"1", b"2", b"3"])


@check
def poisonous_message_dies_at_its_delivery_limit(t):
    channel = t.channel(confirm=True)
    queue, graveyard = limited(t, channel, queue_type="quorum", delivery_limit=2)
    channel.basic_publish("", queue, b"poison")
    inbox = Inbox(channel, queue)
    counts = []
    for _ in range(3):
        method, properties, _ = inbox.next()
        counts.append((properties.headers or {}).get("x-delivery-count", 0))
        channel.basic_reject(method.delivery_tag, requeue=True)
    equal(counts, [0, 1, 2], "x-delivery-count")
    _, properties, body = Inbox(channel, graveyard).next()
    equal(body, b"poison")
    death = properties.headers["x-death"][0]
    equal((death["reason"], death["queue"], death["count"]), ("delivery_limit", queue, 1))


@check
def delivery_limit_counts_lost_consumers(t):
    channel = t.channel(confirm=True)
    queue, graveyard = limited(t, channel, queue_type="quorum", delivery_limit=1)
    channel.basic_publish("", queue, b"poison")
    for _ in range(2):
        connection = t.connect()
        equal(Inbox(connection.channel(), queue).bodies(1), [b"poison"])
        connection.close()
    equal(Inbox(channel, graveyard).bodies(1), [b"poison"])


@check
def next_single_active_consumer_gets_what_was_unacked(t):
    channel = t.channel(confirm=True)
    queue = t.queue(channel, arguments={"x-single-active-consumer": True})
    active, waiting = t.channel(), t.channel()
    first, second = Inbox(active, queue), Inbox(waiting, queue)
    for body in (b"1", b"2"):
        channel.basic_publish("", queue, body)
    equal((first.bodies(2), second.messages), ([b"1", b"2"], []))
    active.close()
    again = [second.next() for _ in range(2)]
    equal([(m.redelivered, body) for m, _, body in again], [(True, b"1"), (True, b"2")])


@check
def single_active_consumer_is_never_exclusive(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-single-active-consumer": True})
    with closes_channel(403, f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use"):
        Inbox(channel, queue, exclusive=True)
