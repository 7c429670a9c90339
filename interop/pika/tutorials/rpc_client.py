"""Asks for the Fibonacci number of each argument and waits for the answer in a queue of its own."""

import sys
import uuid

import pika
from broker import connect

connection = connect()
channel = connection.channel()
answers = {}


def on_answer(_channel, _method, properties, body):
    answers[properties.correlation_id] = body


def call(number):
    question = str(uuid.uuid4())
    properties = pika.BasicProperties(reply_to=replies, correlation_id=question)
    channel.basic_publish("", "tutorial.rpc", number.encode(), properties)
    while question not in answers:
        connection.process_data_events(time_limit=None)
    return int(answers.pop(question))


channel.queue_declare("tutorial.rpc")
replies = channel.queue_declare("", exclusive=True).method.queue
channel.basic_consume(replies, on_answer, auto_ack=True)
for argument in sys.argv[1:]:
    print(f"fibonacci({argument}) = {call(argument)}")
connection.close()
