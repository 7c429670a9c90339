"""Connections: confirms, what is refused, connecting again after a failure, pools, heartbeats."""

import socket

import kombu
from amqp.exceptions import AccessRefused, MessageNacked, NotFound
from kombu.exceptions import OperationalError
from kombu.pools import producers

from harness import HOST, PORT, WAIT_SECONDS, check, equal
from proxy import Proxy

HEARTBEATS = 4  # the broker sends two in a second, and gives up after two seconds of silence


@check
def confirmed_publish_is_in_the_queue(t):
    queue = t.queue()
    connection = t.connect(transport_options={"confirm_publish": True})
    producer = connection.Producer()
    for number in range(20):
        producer.publish(number, routing_key=queue.name)
        equal(t.count(queue), number + 1, "messages")


@check
def full_queue_that_refuses_nacks_the_publish(t):
    queue = t.queue(max_length=1, queue_arguments={"x-overflow": "reject-publish"})
    producer = t.connect(transport_options={"confirm_publish": True}).Producer()
    producer.publish("fits", routing_key=queue.name)
    try:
        producer.publish("too much", routing_key=queue.name)
    except MessageNacked:
        equal(t.inbox(queue).payloads(1), ["fits"])
        return
    raise AssertionError("the message was confirmed")


@check
def missing_exchange_closes_the_channel(t):
    connection = t.connect(transport_options={"confirm_publish": True})
    name = t.name("missing")
    try:
        connection.Producer().publish("x", exchange=name, routing_key="")
    except NotFound as error:
        equal(error.reply_text, f"NOT_FOUND - no exchange '{name}' in vhost '/'")
        return
    raise AssertionError("the message was taken")


@check
def wrong_password_is_refused(t):
    connection = kombu.Connection(f"amqp://guest:wrong@{HOST}:{PORT}//")
    try:
        connection.connect()
    except AccessRefused as error:
        equal(error.reply_code, 403)
        return
    finally:
        connection.release()
    raise AssertionError("the connection was opened")


@check
def broker_that_is_not_there_is_reported(t):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    connection = t.connect(port=port)
    tries = []
    try:
        connection.ensure_connection(lambda error, _interval: tries.append(error), max_retries=2,
                                     interval_start=0, interval_step=0)
    except OperationalError:
        equal(len(tries), 2, "reported failures")
        return
    raise AssertionError("there was a broker")


def through_proxy(t, **options):
    """A connection that can be cut."""
    proxy = Proxy((HOST, PORT))
    t.later(proxy.close)
    return proxy, t.connect(port=proxy.port, **options)


@check
def ensured_publish_survives_a_lost_connection(t):
    queue = t.queue()
    proxy, connection = through_proxy(t, transport_options={"confirm_publish": True})
    producer = connection.Producer()
    errors = []
    publish = connection.ensure(producer, producer.publish, interval_start=0, max_retries=3,
                                errback=lambda error, _interval: errors.append(error))
    publish("before", routing_key=queue.name)
    proxy.cut()
    publish("after", routing_key=queue.name)
    equal(t.inbox(queue).payloads(2), ["before", "after"])
    assert errors, "the lost connection went unnoticed"


@check
def consumer_revives_after_a_lost_connection(t):
    queue = t.queue()
    t.publish(queue, "held")
    proxy, connection = through_proxy(t)
    seen = []
    consumer = kombu.Consumer(connection.channel(), [queue], on_message=seen.append)
    consumer.consume()
    while not seen:
        connection.drain_events(timeout=WAIT_SECONDS)
    proxy.cut()
    try:
        connection.drain_events(timeout=WAIT_SECONDS)
    except connection.recoverable_connection_errors:
        pass
    connection.ensure_connection(max_retries=3)
    consumer.revive(connection.channel())
    consumer.consume()
    while len(seen) < 2:
        connection.drain_events(timeout=WAIT_SECONDS)
    again = seen[1]
    equal((again.payload, again.delivery_info["redelivered"]), ("held", True))
    again.ack()


@check
def producers_come_from_a_pool(t):
    queue = t.queue()
    pool = producers[t.connection()]
    t.later(pool.force_close_all)
    for number in range(5):
        with pool.acquire(block=True) as producer:
            producer.publish(number, routing_key=queue.name)
    equal(t.inbox(queue).payloads(5), [0, 1, 2, 3, 4])


@check
def heartbeats_keep_an_idle_connection(t):
    connection = t.connect(heartbeat=1)
    connection.connect()
    equal(connection.get_heartbeat_interval(), 1)
    received = connection.connection.bytes_recv
    while connection.connection.bytes_recv < received + HEARTBEATS:  # it counts frames
        connection.heartbeat_check(rate=2)
        try:
            connection.drain_events(timeout=0.25)
        except socket.timeout:
            pass
    connection.Producer().publish("alive", routing_key=t.queue().name)
