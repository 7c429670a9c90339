"""Sends one greeting to a queue by its name."""

from broker import connect

connection = connect()
channel = connection.channel()
channel.queue_declare("tutorial.hello")
channel.basic_publish("", "tutorial.hello", b"Hello, warren!")
print("sent Hello, warren!")
connection.close()
