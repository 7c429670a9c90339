"""Tries a failed task again after a while, each time after a longer one, and then gives up.

The wait is a queue whose messages expire, and which hands the expired ones back to the work queue.
"""

import pika
from broker import RETRY_MS, connect, declare_retries

channel = connect().channel()
declare_retries(channel)
channel.basic_qos(prefetch_count=1)


def on_task(_channel, method, properties, body):
    task = body.decode()
    tries = (properties.headers or {}).get("tries", 0)
    if task != "broken":
        print(f"done {task}")
    elif tries < len(RETRY_MS):
        wait = RETRY_MS[tries]
        again = pika.BasicProperties(headers={"tries": tries + 1})
        channel.basic_publish("", f"tutorial.retries.{wait}", body, again)
        print(f"{task} failed, again in {wait} ms")
    else:
        print(f"gave up {task}")
    channel.basic_ack(method.delivery_tag)


channel.basic_consume("tutorial.retries", on_task)
print("waiting")
channel.start_consuming()
