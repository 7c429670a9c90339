"""Consuming: prefetch, settling, cancelling, and who gets the next message."""

from pika import BasicProperties

from harness import Inbox, check, closes_channel, equal, until


def filled(t, *bodies, **options):
    """A queue with these messages, and a channel to use it on."""
    channel = t.channel(confirm=True)
    name = t.queue(channel, **options)
    for body in bodies:
        channel.basic_publish("", name, body)
    return channel, name


def ready(channel, name):
    """How many messages wait in the queue. The reply comes after all earlier deliveries."""
    return channel.queue_declare(name, passive=True).method.message_count


@check
def prefetch_bounds_unacked_messages_and_order_is_kept(t):
    bodies = [b"%d" % number for number in range(20)]
    channel, name = filled(t, *bodies)
    channel.basic_qos(prefetch_count=3)
    inbox = Inbox(channel, name)
    for at in range(0, 18, 3):
        messages = [inbox.next() for _ in range(3)]
        equal([body for _, _, body in messages], bodies[at:at + 3], "order")
        equal((ready(channel, name), inbox.messages), (17 - at, []), "with 3 unacked")
        for method, _, _ in messages:
            channel.basic_ack(method.delivery_tag)
    equal(inbox.bodies(2), bodies[18:], "order")


@check
def ack_removes_one_and_multiple_ack_all_up_to_its_tag(t):
    channel, name = filled(t, b"1", b"2", b"3", b"4", b"5")
    inbox = Inbox(channel, name)
    tags = [inbox.next()[0].delivery_tag for _ in range(5)]
    equal(tags, [1, 2, 3, 4, 5], "delivery tags")
    channel.basic_ack(5)
    channel.basic_ack(3, multiple=True)
    channel.close()
    method, _, body = t.channel().basic_get(name)
    equal((body, method.message_count), (b"4", 0))


@check
def ack_of_tag_zero_with_multiple_takes_all(t):
    channel, name = filled(t, b"1", b"2", b"3")
    Inbox(channel, name).bodies(3)
    channel.basic_ack(0, multiple=True)
    channel.basic_ack(0, multiple=True)
    channel.close()
    equal(ready(t.channel(), name), 0, "messages")


@check
def requeued_messages_come_back_redelivered_in_their_old_order(t):
    channel, name = filled(t, b"1", b"2", b"3")
    inbox = Inbox(channel, name)
    equal([inbox.next()[0].redelivered for _ in range(3)], [False] * 3, "redelivered at first")
    channel.basic_nack(3, multiple=True, requeue=True)
    again = [inbox.next() for _ in range(3)]
    equal([(m.redelivered, body) for m, _, body in again], [(True, b) for b in (b"1", b"2", b"3")])
    channel.basic_reject(again[1][0].delivery_tag, requeue=True)
    method, _, body = inbox.next()
    equal((method.redelivered, method.delivery_tag, body), (True, 7, b"2"))


@check
def nack_and_reject_without_requeue_drop_the_message(t):
    channel, name = filled(t, b"1", b"2", b"3", b"4")
    Inbox(channel, name).bodies(4)
    channel.basic_nack(2, multiple=True, requeue=False)
    channel.basic_reject(4, requeue=False)
    channel.close()
    method, _, body = t.channel().basic_get(name)
    equal((body, method.message_count), (b"3", 0))


@check
def recover_brings_all_unacked_messages_back(t):
    channel, name = filled(t, b"1", b"2")
    inbox = Inbox(channel, name)
    inbox.bodies(2)
    channel.basic_recover(requeue=True)
    again = [inbox.next() for _ in range(2)]
    equal([(m.redelivered, body) for m, _, body in again], [(True, b"1"), (True, b"2")])


@check
def closing_the_channel_requeues_what_is_unacked(t):
    channel, name = filled(t, b"1", b"2")
    Inbox(channel, name).bodies(2)
    channel.close()
    inbox = Inbox(t.channel(), name)
    again = [inbox.next() for _ in range(2)]
    equal([(m.redelivered, body) for m, _, body in again], [(True, b"1"), (True, b"2")])


@check
def get_takes_one_message_and_says_how_many_are_left(t):
    channel, name = filled(t, b"1", b"2")
    method, _, body = channel.basic_get(name)
    equal((method.message_count, method.redelivered, body), (1, False, b"1"))
    equal((method.exchange, method.routing_key), ("", name))
    equal(channel.basic_get(name, auto_ack=True)[2], b"2")
    equal(channel.basic_get(name), (None, None, None), "empty")
    channel.basic_nack(method.delivery_tag)
    method, _, body = channel.basic_get(name)
    equal((method.redelivered, body), (True, b"1"))


@check
def cancelled_consumer_gets_nothing_more_but_may_still_ack(t):
    channel, name = filled(t, b"held")
    inbox = Inbox(channel, name)
    method, _, _ = inbox.next()
    channel.basic_cancel(inbox.tag)
    channel.basic_publish("", name, b"waits")
    equal((ready(channel, name), inbox.messages), (1, []), "after cancel")
    channel.basic_ack(method.delivery_tag)
    equal(channel.basic_get(name, auto_ack=True)[2], b"waits")


@check
def deleting_the_queue_cancels_its_consumers(t):
    channel, name = filled(t)
    inbox = Inbox(channel, name)
    t.channel().queue_delete(name)
    until(channel.connection, lambda: inbox.cancelled, "basic.cancel from the broker")
    equal(inbox.messages, [], "deliveries")


@check
def consumers_take_turns(t):
    channel, name = filled(t)
    inboxes = [Inbox(channel, name) for _ in range(3)]
    for number in range(9):
        channel.basic_publish("", name, b"%d" % number)
    equal([inbox.bodies(3) for inbox in inboxes], [
        [b"0", b"3", b"6"],
        [b"1", b"4", b"7"],
        [b"2", b"5", b"8"],
    ], "deliveries")


@check
def consumer_with_higher_priority_is_served_first(t):
    channel, name = filled(t)
    channel.basic_qos(prefetch_count=2)
    low = Inbox(channel, name)
    high = Inbox(channel, name, arguments={"x-priority": 10})
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", name, body)
    equal(high.bodies(2), [b"1", b"2"], "high priority")
    equal(low.bodies(1), [b"3"], "low priority, while the other is busy")
    equal(ready(channel, name), 0, "messages")


@check
def single_active_consumer_hands_over_when_cancelled(t):
    channel, name = filled(t, arguments={"x-single-active-consumer": True})
    first, second = Inbox(channel, name, auto_ack=True), Inbox(channel, name, auto_ack=True)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", name, body)
    equal((first.bodies(3), second.messages), ([b"1", b"2", b"3"], []), "first is active")
    channel.basic_cancel(first.tag)
    channel.basic_publish("", name, b"4")
    equal(second.bodies(1), [b"4"], "second took over")


@check
def direct_reply_to_carries_answers_back(t):
    requests = t.queue(t.channel())
    client, server = t.channel(), t.connect().channel()
    answers = Inbox(client, "amq.rabbitmq.reply-to", auto_ack=True)
    questions = Inbox(server, requests, auto_ack=True)
    for question in (b"1", b"2"):
        properties = BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="c")
        client.basic_publish("", requests, question, properties)
        _, asked, body = questions.next()
        assert asked.reply_to.startswith("amq.rabbitmq.reply-to."), asked.reply_to
        answer = BasicProperties(correlation_id=asked.correlation_id)
        server.basic_publish("", asked.reply_to, b"answer to " + body, answer)
        method, properties, body = answers.next()
        equal((method.exchange, method.routing_key), ("", asked.reply_to))
        equal((properties.correlation_id, body), ("c", b"answer to " + question))


@check
def direct_reply_to_needs_a_consumer_without_acks(t):
    text = "PRECONDITION_FAILED - reply consumer cannot acknowledge"
    with closes_channel(406, text):
        Inbox(t.channel(), "amq.rabbitmq.reply-to")
    channel = t.channel()
    with closes_channel(406, "PRECONDITION_FAILED - fast reply consumer does not exist"):
        properties = BasicProperties(reply_to="amq.rabbitmq.reply-to")
        channel.basic_publish("", "anywhere", b"", properties)
        channel.queue_declare("", exclusive=True)
