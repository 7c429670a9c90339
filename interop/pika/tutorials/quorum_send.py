"""Puts each argument as a task into the quorum queue, and waits until the broker has it."""

import sys

from broker import connect, declare_quorum

connection = connect()
channel = connection.channel()
declare_quorum(channel)
channel.confirm_delivery()
for task in sys.argv[1:]:
    channel.basic_publish("", "tutorial.quorum", task.encode())
    print(f"sent {task}")
connection.close()
