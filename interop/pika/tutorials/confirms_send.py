"""Publishes with confirms: each publish returns once the broker has taken the message over."""

import sys

import pika
from broker import connect

connection = connect()
channel = connection.channel()
queue = channel.queue_declare("", exclusive=True).method.queue
channel.confirm_delivery()
for message in sys.argv[1:]:
    channel.basic_publish("", queue, message.encode(), mandatory=True)
    print(f"confirmed {message}")
try:
    channel.basic_publish("", "tutorial.nowhere", b"lost?", mandatory=True)
except pika.exceptions.UnroutableError:
    print("returned lost?")
connection.close()
