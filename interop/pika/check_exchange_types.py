"""Exchange types that are plugins in RabbitMQ: skipped where one is missing."""

from pika import BasicProperties

from harness import Inbox, check, equal

MESSAGES = 200  # enough for every queue to get some, whatever the hash


def counts(channel, queues):
    """How many messages wait in each queue."""
    return [channel.queue_declare(queue, passive=True).method.message_count for queue in queues]


@check
def consistent_hash_keeps_a_key_in_one_queue(t):
    exchange = t.extra_exchange("x-consistent-hash")
    channel = t.channel(confirm=True)
    queues = [t.bound(channel, exchange, "10") for _ in range(3)]
    for number in range(MESSAGES):
        channel.basic_publish(exchange, f"key {number}", b"")
    shares = counts(channel, queues)
    equal((sum(shares), min(shares) > 0), (MESSAGES, True), f"shares {shares}")
    for queue in queues:
        channel.queue_purge(queue)
    for _ in range(10):
        channel.basic_publish(exchange, "one key", b"")
    equal(sorted(counts(channel, queues)), [0, 0, 10])


@check
def consistent_hash_takes_a_header_instead_of_the_key(t):
    exchange = t.extra_exchange("x-consistent-hash", arguments={"hash-header": "user"})
    channel = t.channel(confirm=True)
    queues = [t.bound(channel, exchange, "1") for _ in range(2)]
    for number in range(10):
        properties = BasicProperties(headers={"user": "always the same"})
        channel.basic_publish(exchange, f"key {number}", b"", properties)
    equal(sorted(counts(channel, queues)), [0, 10])


@check
def random_exchange_gives_each_message_to_one_queue(t):
    exchange = t.extra_exchange("x-random")
    channel = t.channel(confirm=True)
    queues = [t.bound(channel, exchange) for _ in range(3)]
    for _ in range(MESSAGES):
        channel.basic_publish(exchange, "key", b"")
    shares = counts(channel, queues)
    equal((sum(shares), min(shares) > 0), (MESSAGES, True), f"shares {shares}")


@check
def modulus_hash_keeps_a_key_in_one_queue(t):
    exchange = t.extra_exchange("x-modulus-hash")
    channel = t.channel(confirm=True)
    queues = [t.bound(channel, exchange) for _ in range(3)]
    for _ in range(10):
        channel.basic_publish(exchange, "one key", b"")
    equal(sorted(counts(channel, queues)), [0, 0, 10])


@check
def recent_history_is_told_to_new_queues(t):
    exchange = t.extra_exchange("x-recent-history", arguments={"x-recent-history-length": 2})
    channel = t.channel(confirm=True)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish(exchange, "", body)
    queue = t.bound(channel, exchange)
    channel.basic_publish(exchange, "", b"4")
    equal(sorted(Inbox(channel, queue).bodies(3)), [b"2", b"3", b"4"])


@check
def delayed_messages_come_when_they_are_due(t):
    exchange = t.extra_exchange("x-delayed-message", arguments={"x-delayed-type": "direct"})
    channel = t.channel(confirm=True)
    queue = t.bound(channel, exchange, "key")
    for delay in (300, 100, 0):
        properties = BasicProperties(headers={"x-delay": delay})
        channel.basic_publish(exchange, "key", b"%d" % delay, properties)
    equal(Inbox(channel, queue).bodies(3), [b"0", b"100", b"300"])
