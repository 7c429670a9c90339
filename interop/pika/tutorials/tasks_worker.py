"""Takes one task at a time and acknowledges it when it is done: tasks of a dead worker move on."""

from broker import connect

channel = connect().channel()
channel.queue_declare("tutorial.tasks", durable=True)
channel.basic_qos(prefetch_count=1)


def on_task(_channel, method, _properties, body):
    print(f"done {body.decode()}")
    channel.basic_ack(method.delivery_tag)


channel.basic_consume("tutorial.tasks", on_task)
print("waiting")
channel.start_consuming()
