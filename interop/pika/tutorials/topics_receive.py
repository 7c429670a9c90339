"""Listens to all topics that match one of the patterns given as arguments."""

import sys

from broker import connect

channel = connect().channel()
channel.exchange_declare("tutorial.topics", "topic")
queue = channel.queue_declare("", exclusive=True).method.queue
for pattern in sys.argv[1:]:
    channel.queue_bind(queue, "tutorial.topics", pattern)


def on_message(_channel, method, _properties, body):
    print(f"received {method.routing_key}: {body.decode()}")


channel.basic_consume(queue, on_message, auto_ack=True)
print("waiting")
channel.start_consuming()
