"""Puts each argument as a task into the queue of the worker beside this file."""

import sys

from broker import connect, declare_retries

connection = connect()
channel = connection.channel()
declare_retries(channel)
for task in sys.argv[1:]:
    channel.basic_publish("", "tutorial.retries", task.encode())
    print(f"sent {task}")
connection.close()
