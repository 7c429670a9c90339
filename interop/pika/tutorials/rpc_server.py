"""Answers each number with its Fibonacci number, to where the question says."""

import pika
from broker import connect

channel = connect().channel()
channel.queue_declare("tutorial.rpc")
channel.basic_qos(prefetch_count=1)


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def on_question(_channel, method, properties, body):
    answer = str(fibonacci(int(body)))
    reply = pika.BasicProperties(correlation_id=properties.correlation_id)
    channel.basic_publish("", properties.reply_to, answer.encode(), reply)
    channel.basic_ack(method.delivery_tag)
    print(f"answered {body.decode()}")


channel.basic_consume("tutorial.rpc", on_question)
print("waiting")
channel.start_consuming()
