"""What queues do with messages by themselves: expiry, dead letters, limits, priorities."""

from amqp.exceptions import NotFound, PreconditionFailed
from kombu import Exchange

from harness import check, equal, eventually

TTL_SECONDS = 0.2


def with_graveyard(t, **options):
    """A queue that hands its dead messages to another one."""
    graveyard = t.queue()
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": graveyard.name}
    arguments |= options.pop("queue_arguments", {})
    return t.queue(queue_arguments=arguments, **options), graveyard


def death(message):
    """The newest death of a message: why, where, how often."""
    newest = message.headers["x-death"][0]
    return newest["reason"], newest["queue"], newest["count"]


@check
def message_ttl_of_a_queue_expires_messages(t):
    queue, graveyard = with_graveyard(t, message_ttl=TTL_SECONDS)
    t.publish(queue, "short")
    message = t.inbox(graveyard).next()
    equal((message.payload, death(message)), ("short", ("expired", queue.name, 1)))
    equal(t.count(queue), 0)


@check
def expiration_of_a_message_expires_it(t):
    queue, graveyard = with_graveyard(t)
    t.publish(queue, "short", expiration=TTL_SECONDS)
    t.publish(queue, "long")
    message = t.inbox(graveyard).next()
    equal((message.payload, death(message)), ("short", ("expired", queue.name, 1)))
    equal(message.headers["x-death"][0]["original-expiration"], "200")
    assert "expiration" not in message.properties, message.properties
    equal(t.inbox(queue).payloads(1), ["long"])


@check
def rejected_message_is_dead_lettered(t):
    queue, graveyard = with_graveyard(t)
    t.publish(queue, "bad", headers={"mine": 1})
    t.inbox(queue, no_ack=False).next().reject()
    message = t.inbox(graveyard).next()
    equal((message.payload, death(message)), ("bad", ("rejected", queue.name, 1)))
    headers = message.headers
    equal((headers["mine"], headers["x-first-death-reason"], headers["x-first-death-queue"],
           headers["x-first-death-exchange"]), (1, "rejected", queue.name, ""))


@check
def max_length_drops_the_oldest(t):
    queue, graveyard = with_graveyard(t, max_length=2)
    t.publish(queue, 1, 2, 3)
    message = t.inbox(graveyard).next()
    equal((message.payload, death(message)), (1, ("maxlen", queue.name, 1)))
    equal(t.inbox(queue).payloads(2), [2, 3])


@check
def max_length_bytes_drops_the_oldest(t):
    queue = t.queue(max_length_bytes=25)
    t.publish(queue, b"1" * 10, b"2" * 10, b"3" * 10)
    equal(t.inbox(queue).payloads(2), [b"2" * 10, b"3" * 10])


@check
def priorities_come_before_order(t):
    queue = t.queue(max_priority=5)
    for priority in (0, 2, 5, 1, 9, 2):
        t.publish(queue, priority, priority=priority)
    equal(t.inbox(queue).payloads(6), [5, 9, 2, 2, 1, 0])


@check
def unused_queue_expires(t):
    queue = t.queue(expires=TTL_SECONDS)
    # Looking at a queue is a use of it. Whether its bindings are gone can be asked without.
    witness = Exchange(t.name("witness"), "fanout", durable=False)(t.connection().channel())
    witness.declare()
    queue(t.connection().channel()).bind_to(witness.name)

    def is_gone():
        try:
            witness(t.connection().channel()).delete(if_unused=True)
        except PreconditionFailed:
            return False
        return True

    eventually(is_gone, "the end of the queue")
    try:
        t.count(queue)
    except NotFound:
        return
    raise AssertionError("the queue is still there")


@check
def retry_with_a_delay_by_ttl_and_dead_letters(t):
    work, waiting = t.name("work"), t.name("waiting")
    queue = t.queue(name=work, queue_arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": waiting})
    t.queue(name=waiting, message_ttl=TTL_SECONDS, queue_arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work})
    t.publish(queue, "job")
    inbox = t.inbox(queue, no_ack=False)
    for attempt in range(3):
        message = inbox.next()
        deaths = {each["queue"]: each["count"] for each in message.headers.get("x-death", [])}
        equal(deaths, {work: attempt, waiting: attempt} if attempt else {}, "deaths")
        message.reject()
