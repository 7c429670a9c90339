"""Publishes each argument to everybody who listens at this moment."""

import sys

from broker import connect

connection = connect()
channel = connection.channel()
channel.exchange_declare("tutorial.logs", "fanout")
for line in sys.argv[1:]:
    channel.basic_publish("tutorial.logs", "", line.encode())
    print(f"sent {line}")
connection.close()
