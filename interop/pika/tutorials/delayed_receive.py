"""Prints messages when their delay is over."""

from broker import connect

channel = connect().channel()
delayed = {"x-delayed-type": "fanout"}
channel.exchange_declare("tutorial.delayed", "x-delayed-message", arguments=delayed)
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, "tutorial.delayed")


def on_message(_channel, _method, _properties, body):
    print(f"received {body.decode()}")


channel.basic_consume(queue, on_message, auto_ack=True)
print("waiting")
channel.start_consuming()
