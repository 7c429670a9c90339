"""Where the broker is, and what two programs must declare alike."""

import os

import pika

RETRY_MS = [100, 300]  # how long a failed task waits: the first time, the second time


def connect():
    """Opens a connection to the broker named by AMQP_HOST and AMQP_PORT."""
    host = os.environ.get("AMQP_HOST", "127.0.0.1")
    port = int(os.environ.get("AMQP_PORT", "5672"))
    return pika.BlockingConnection(pika.ConnectionParameters(host, port))


def declare_retries(channel):
    """The work queue, and a queue to wait in for each time that a task is tried again."""
    channel.queue_declare("tutorial.retries", durable=True)
    for wait in RETRY_MS:
        channel.queue_declare(f"tutorial.retries.{wait}", durable=True, arguments={
            "x-message-ttl": wait,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "tutorial.retries",
        })


def declare_quorum(channel):
    """A quorum queue that lets a task fail twice, and where it goes at the third time."""
    channel.queue_declare("tutorial.quorum.dead", durable=True)
    channel.queue_declare("tutorial.quorum", durable=True, arguments={
        "x-queue-type": "quorum",
        "x-delivery-limit": 2,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "tutorial.quorum.dead",
    })
