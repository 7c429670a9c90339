"""Prints every greeting that arrives in the queue."""

from broker import connect

channel = connect().channel()
channel.queue_declare("tutorial.hello")


def on_message(_channel, _method, _properties, body):
    print(f"received {body.decode()}")


channel.basic_consume("tutorial.hello", on_message, auto_ack=True)
print("waiting")
channel.start_consuming()
