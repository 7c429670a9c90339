"""pidbox: how programs are asked things over the broker. Celery's remote control is made of it."""

import threading

from kombu.pidbox import Mailbox

from harness import WAIT_SECONDS, check, equal


def nodes(t, kind, *names):
    """A mailbox with these nodes, which answer until the end of the check."""
    connection = t.connect()
    namespace = t.name("box")
    mailbox = Mailbox(namespace, type=kind)
    for exchange in (mailbox.exchange, mailbox.reply_exchange):
        t.delete_later(lambda channel, name=exchange.name: channel.exchange_delete(name))
    box = mailbox(connection)
    for name in names:
        node = box.Node(name, state={"name": name}, channel=connection.channel())
        node.handler(double)
        node.handler(who)
        node.listen()
    stop = threading.Event()

    def answer():
        while not stop.is_set():
            try:
                connection.drain_events(timeout=0.1)
            except TimeoutError:
                continue

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()

    def end():
        stop.set()
        thread.join()

    t.later(end)
    return mailbox(t.connection())


def double(_state, number):
    """Twice the number."""
    return 2 * number


def who(state):
    """The name of the node."""
    return state["name"]


@check
def pidbox_calls_one_node_by_name(t):
    box = nodes(t, "direct", "alone")
    equal(box.call(["alone"], "double", {"number": 21}, timeout=WAIT_SECONDS), [{"alone": 42}])


@check
def pidbox_calls_all_nodes(t):
    box = nodes(t, "fanout", "one", "two", "three")
    replies = box.multi_call("who", timeout=WAIT_SECONDS, limit=3)
    equal(sorted(next(iter(reply.items())) for reply in replies),
          [("one", "one"), ("three", "three"), ("two", "two")])


@check
def pidbox_casts_without_an_answer(t):
    box = nodes(t, "fanout", "one", "two")
    equal(box.abcast("who"), None)
    # The cast was handled before this, or the nodes would not get here.
    equal(len(box.multi_call("who", timeout=WAIT_SECONDS, limit=2)), 2)


@check
def pidbox_node_answers_errors(t):
    box = nodes(t, "direct", "alone")
    reply, = box.call(["alone"], "double", {"wrong": 1}, timeout=WAIT_SECONDS)
    assert "TypeError" in reply["alone"]["error"], reply
