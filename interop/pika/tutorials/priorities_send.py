"""Sends tasks such as 5:cook, with the number in front as the priority."""

import sys

import pika
from broker import connect

connection = connect()
channel = connection.channel()
channel.queue_declare("tutorial.priorities", arguments={"x-max-priority": 9})
for task in sys.argv[1:]:
    priority = int(task.split(":")[0])
    properties = pika.BasicProperties(priority=priority)
    channel.basic_publish("", "tutorial.priorities", task.encode(), properties)
    print(f"sent {task}")
connection.close()
