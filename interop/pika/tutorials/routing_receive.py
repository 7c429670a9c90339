"""Listens to the severities given as arguments and to no others."""

import sys

from broker import connect

channel = connect().channel()
channel.exchange_declare("tutorial.severities", "direct")
queue = channel.queue_declare("", exclusive=True).method.queue
for severity in sys.argv[1:]:
    channel.queue_bind(queue, "tutorial.severities", severity)


def on_message(_channel, method, _properties, body):
    print(f"received {method.routing_key}: {body.decode()}")


channel.basic_consume(queue, on_message, auto_ack=True)
print("waiting")
channel.start_consuming()
