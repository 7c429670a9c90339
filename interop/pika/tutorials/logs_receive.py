"""Listens with a queue of its own, which the broker names and removes with the connection."""

from broker import connect

channel = connect().channel()
channel.exchange_declare("tutorial.logs", "fanout")
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, "tutorial.logs")


def on_message(_channel, _method, _properties, body):
    print(f"received {body.decode()}")


channel.basic_consume(queue, on_message, auto_ack=True)
print("waiting")
channel.start_consuming()
