"""What every check uses: connections that are closed, names that are deleted, waits that end."""

import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import pika
from checklist import WAIT_SECONDS, Skip, check, equal  # noqa: F401 - for the checks
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionClosedByBroker

HOST = os.environ.get("AMQP_HOST", "127.0.0.1")
PORT = int(os.environ.get("AMQP_PORT", "5672"))


def parameters(user="guest", password="guest", **overrides):
    """Connection parameters of the broker under test."""
    settings = {
        "host": HOST,
        "port": PORT,
        "credentials": pika.PlainCredentials(user, password),
        "blocked_connection_timeout": WAIT_SECONDS,
        **overrides,
    }
    return pika.ConnectionParameters(**settings)


@contextmanager
def closes_channel(code, text):
    """The block must end in a channel.close with this code and exactly this text."""
    try:
        yield
    except ChannelClosedByBroker as closed:
        equal((closed.reply_code, closed.reply_text), (code, text), "channel.close")
    else:
        raise AssertionError(f"the channel stayed open, {code} expected")


class Inbox:
    """The messages of one consumer, in order of arrival."""

    def __init__(self, channel, queue_name, **options):
        self.channel = channel
        self.messages = []
        self.cancelled = False
        channel.add_on_cancel_callback(self._on_cancel)
        self.tag = channel.basic_consume(queue_name, self._on_message, **options)

    def _on_message(self, _channel, method, properties, body):
        self.messages.append((method, properties, body))

    def _on_cancel(self, frame):
        self.cancelled = self.cancelled or frame.method.consumer_tag == self.tag

    def next(self):
        """The next message; waits for it."""
        until(self.channel.connection, lambda: self.messages, "a delivery")
        return self.messages.pop(0)

    def bodies(self, count):
        """The bodies of the next `count` messages."""
        return [self.next()[2] for _ in range(count)]


def until(connection, done, what):
    """Lets the connection work until `done()` holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        left = deadline - time.monotonic()
        if left <= 0:
            raise AssertionError(f"timed out waiting for {what}")
        connection.process_data_events(time_limit=left)


class Trial:
    """One check's dealings with the broker. Leaves nothing behind."""

    def __init__(self):
        self._connections = []
        self._queues = []
        self._exchanges = []
        self._programs = []

    def connect(self, **overrides):
        """A new connection, closed at the end of the check."""
        connection = pika.BlockingConnection(parameters(**overrides))
        self._connections.append(connection)
        return connection

    def channel(self, confirm=False):
        """A new channel on the check's main connection, a new one if that has been closed."""
        if not self._connections or self._connections[0].is_closed:
            self._connections.insert(0, pika.BlockingConnection(parameters()))
        channel = self._connections[0].channel()
        if confirm:
            channel.confirm_delivery()
        return channel

    @staticmethod
    def name(what):
        """A name that no other check uses."""
        return f"interop.{what}.{uuid.uuid4().hex[:12]}"

    def queue(self, channel, **options):
        """Declares a queue with a name of its own; deleted at the end."""
        name = self.name("queue")
        self.remove_later(queue_name=name)
        channel.queue_declare(name, **options)
        return name

    def exchange(self, channel, kind, **options):
        """Declares an exchange with a name of its own; deleted at the end."""
        name = self.name(kind)
        self.remove_later(exchange=name)
        channel.exchange_declare(name, kind, **options)
        return name

    def extra_exchange(self, kind, **options):
        """An exchange of a type that is a plugin in RabbitMQ: skips the check if it is missing."""
        connection = self.connect()
        # pylint: disable-next=protected-access
        product = connection._impl.server_properties["product"]
        try:
            return self.exchange(connection.channel(), kind, **options)
        except (ChannelClosedByBroker, ConnectionClosedByBroker) as closed:
            if product == "RabbitMQ" and closed.reply_code in (406, 503):
                raise Skip(f"no exchange type {kind}") from closed
            raise

    def bound(self, channel, exchange, key="", arguments=None):
        """A new queue bound to the exchange."""
        name = self.queue(channel)
        channel.queue_bind(name, exchange, key, arguments)
        return name

    def remove_later(self, queue_name=None, exchange=None):
        """Deletes these at the end, if they are still there."""
        if queue_name:
            self._queues.append(queue_name)
        if exchange:
            self._exchanges.append(exchange)

    def program(self, path, *arguments):
        """Starts a tutorial program; stopped at the end."""
        program = Program(path, *arguments)
        self._programs.append(program)
        return program

    def close(self):
        """Stops, closes and deletes whatever the check has left."""
        for program in self._programs:
            program.stop()
        for connection in self._connections:
            try:
                if connection.is_open:
                    connection.close()
            except AMQPError:
                pass  # the check may have made the broker close it
        if not self._queues and not self._exchanges:
            return
        connection = pika.BlockingConnection(parameters())
        channel = connection.channel()
        for name in self._queues:
            channel.queue_delete(name)
        for name in self._exchanges:
            channel.exchange_delete(name)
        connection.close()


class Program:
    """A tutorial program in a process of its own."""

    def __init__(self, name, *arguments):
        path = Path(__file__).parent / "tutorials" / name
        self.name = name
        self.seen = []
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-u", str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self):
        """The next line the program prints."""
        try:
            line = self._lines.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            line = None
        if line is None:
            raise AssertionError(f"{self.name} printed no further line, only {self.seen}")
        self.seen.append(line)
        return line

    def prints(self, *expected):
        """The next lines must be these, in this order."""
        for line in expected:
            equal(self.line(), line, self.name)

    def ends(self):
        """The program must end by itself, successfully."""
        equal(self._process.wait(WAIT_SECONDS), 0, f"exit code of {self.name}")

    def stop(self):
        """Ends the program, however it is doing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join()
        self._process.stdout.close()
