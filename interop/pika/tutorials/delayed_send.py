"""Sends messages such as 500:hello, which arrive so many milliseconds later."""

import sys

import pika
from broker import connect

connection = connect()
channel = connection.channel()
delayed = {"x-delayed-type": "fanout"}
channel.exchange_declare("tutorial.delayed", "x-delayed-message", arguments=delayed)
for argument in sys.argv[1:]:
    delay, message = argument.split(":")
    properties = pika.BasicProperties(headers={"x-delay": int(delay)})
    channel.basic_publish("tutorial.delayed", "", message.encode(), properties)
    print(f"sent {message}")
connection.close()
