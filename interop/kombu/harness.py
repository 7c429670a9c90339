"""What every check uses: connections that are closed, names that are deleted, waits that end."""

import os
import socket
import time
import uuid

import kombu
from checklist import WAIT_SECONDS, check, equal, eventually  # noqa: F401 - for the checks

HOST = os.environ.get("AMQP_HOST", "127.0.0.1")
PORT = int(os.environ.get("AMQP_PORT", "5672"))


class Inbox:
    """The messages of one consumer, in order of arrival."""

    def __init__(self, connection, queues, no_ack=True, **options):
        self.connection = connection
        self.messages = []
        self.consumer = kombu.Consumer(
            connection.channel(), queues, on_message=self.messages.append, no_ack=no_ack, **options)
        self.consumer.consume()

    def next(self):
        """The next message; waits for it."""
        drain(self.connection, lambda: self.messages, "a delivery")
        return self.messages.pop(0)

    def payloads(self, count):
        """The decoded bodies of the next `count` messages."""
        return [self.next().payload for _ in range(count)]


def drain(connection, done, what):
    """Lets the connection work until `done()` holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        left = deadline - time.monotonic()
        try:
            if left > 0:
                connection.drain_events(timeout=left)
                continue
        except socket.timeout:
            pass
        raise AssertionError(f"timed out waiting for {what}")


class Trial:
    """One check's dealings with the broker. Leaves nothing behind."""

    def __init__(self):
        self._closers = []
        self._main = None

    def later(self, close):
        """Does this when the check is over."""
        self._closers.append(close)

    def connect(self, port=PORT, **options):
        """A new connection, closed at the end of the check."""
        connection = kombu.Connection(f"amqp://guest:guest@{HOST}:{port}//", **options)
        self.later(connection.release)
        return connection

    def connection(self):
        """The check's main connection."""
        if self._main is None:
            self._main = self.connect()
        return self._main

    @staticmethod
    def name(what):
        """A name that no other check uses."""
        return f"interop.{what}.{uuid.uuid4().hex[:12]}"

    def exchange(self, kind="direct"):
        """An exchange with a name of its own; deleted at the end."""
        name = self.name(kind)
        self.delete_later(lambda channel: channel.exchange_delete(name))
        return kombu.Exchange(name, kind, durable=False)

    def queue(self, **options):
        """A queue with a name of its own, declared; deleted at the end."""
        name = options.pop("name", None) or self.name("queue")
        self.delete_later(lambda channel: channel.queue_delete(name))
        options.setdefault("exchange", kombu.Exchange(""))
        options.setdefault("routing_key", name)
        queue = kombu.Queue(name, **options)
        queue(self.connection().channel()).declare()
        return queue

    def delete_later(self, delete):
        """Calls this with a channel when the check is over."""
        def on_a_new_channel():
            with kombu.Connection(f"amqp://guest:guest@{HOST}:{PORT}//") as connection:
                delete(connection.channel())
        self.later(on_a_new_channel)

    def publish(self, queue, *bodies, **options):
        """Publishes to the queue by its name, and waits until the broker has taken it."""
        connection = self.connect(transport_options={"confirm_publish": True})
        producer = connection.Producer()
        for body in bodies:
            producer.publish(body, routing_key=queue.name, **options)

    def inbox(self, *queues, **options):
        """A consumer on the check's main connection."""
        return Inbox(self.connection(), queues, **options)

    def count(self, queue):
        """How many messages are ready in the queue."""
        channel = self.connection().channel()
        return queue(channel).queue_declare(passive=True).message_count

    def close(self):
        """Undoes everything, the latest first."""
        while self._closers:
            self._closers.pop()()
