"""Publishes the second argument under the topic given first, such as kernel.critical."""

import sys

from broker import connect

topic, line = sys.argv[1:]
connection = connect()
channel = connection.channel()
channel.exchange_declare("tutorial.topics", "topic")
channel.basic_publish("tutorial.topics", topic, line.encode())
print(f"sent {topic}: {line}")
connection.close()
