"""Prints what has been taken away from the quorum queue, and why."""

from broker import connect, declare_quorum

channel = connect().channel()
declare_quorum(channel)


def on_dead(_channel, _method, properties, body):
    reason = properties.headers["x-death"][0]["reason"]
    print(f"dead {body.decode()}: {reason}")


channel.basic_consume("tutorial.quorum.dead", on_dead, auto_ack=True)
print("waiting")
channel.start_consuming()
