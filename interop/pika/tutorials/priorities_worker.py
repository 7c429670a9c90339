"""Takes one task at a time, so that the next one is always the most important there is."""

from broker import connect

channel = connect().channel()
channel.queue_declare("tutorial.priorities", arguments={"x-max-priority": 9})
channel.basic_qos(prefetch_count=1)


def on_task(_channel, method, _properties, body):
    print(f"done {body.decode()}")
    channel.basic_ack(method.delivery_tag)


print("waiting")
channel.basic_consume("tutorial.priorities", on_task)
channel.start_consuming()
