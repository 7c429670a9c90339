"""Gives back what it cannot do. The queue counts, and takes a task away that failed too often."""

from broker import connect, declare_quorum

channel = connect().channel()
declare_quorum(channel)
channel.basic_qos(prefetch_count=1)


def on_task(_channel, method, _properties, body):
    if body == b"poison":
        print("failed poison")
        channel.basic_reject(method.delivery_tag, requeue=True)
    else:
        print(f"done {body.decode()}")
        channel.basic_ack(method.delivery_tag)


channel.basic_consume("tutorial.quorum", on_task)
print("waiting")
channel.start_consuming()
