"""Publishes the second argument under the severity given first."""

import sys

from broker import connect

severity, line = sys.argv[1:]
connection = connect()
channel = connection.channel()
channel.exchange_declare("tutorial.severities", "direct")
channel.basic_publish("tutorial.severities", severity, line.encode())
print(f"sent {severity}: {line}")
connection.close()
