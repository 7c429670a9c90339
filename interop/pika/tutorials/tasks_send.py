"""Puts each argument as a task into a durable queue; the tasks survive a restart of the broker."""

import sys

import pika
from broker import connect

connection = connect()
channel = connection.channel()
channel.queue_declare("tutorial.tasks", durable=True)
for task in sys.argv[1:]:
    properties = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    channel.basic_publish("", "tutorial.tasks", task.encode(), properties)
    print(f"sent {task}")
connection.close()
