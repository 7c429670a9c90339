"""Where the broker is. The programs beside this file read like first programs; this is the rest."""

import os

import pika


def connect():
    """Opens a connection to the broker named by AMQP_HOST and AMQP_PORT."""
    host = os.environ.get("AMQP_HOST", "127.0.0.1")
    port = int(os.environ.get("AMQP_PORT", "5672"))
    return pika.BlockingConnection(pika.ConnectionParameters(host, port))
