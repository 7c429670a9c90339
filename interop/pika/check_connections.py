"""Connections: login, virtual hosts, heartbeats, many channels, closing."""

import time

from pika.exceptions import ProbableAccessDeniedError, ProbableAuthenticationError

from harness import check, equal

CHANNELS = 100
HEARTBEAT_SECONDS = 2
IDLE_SECONDS = 5  # the broker drops a silent peer, and a silent broker is noticed, after 4


@check
def server_properties_announce_what_clients_look_for(t):
    properties = t.connect()._impl.server_properties
    for key in ("product", "version", "capabilities"):
        assert key in properties, f"no {key} in {properties}"
    equal([part.isdigit() for part in properties["version"].split(".")[:2]], [True] * 2)
    for capability in (
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ):
        equal(properties["capabilities"].get(capability), True, capability)


@check
def wrong_password_is_403(t):
    for user, password in (("guest", "wrong"), ("nobody", "guest"), ("guest", "")):
        try:
            t.connect(user=user, password=password)
        except ProbableAuthenticationError as error:
            text = (
                "(403) 'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
                "For details see the broker logfile.'"
            )
            assert text in str(error), str(error)
        else:
            raise AssertionError(f"logged in as {user} with password '{password}'")


@check
def wrong_vhost_is_530(t):
    try:
        t.connect(virtual_host="missing")
    except ProbableAccessDeniedError as error:
        assert "(530) 'NOT_ALLOWED - vhost missing not found'" in str(error), str(error)
    else:
        raise AssertionError("opened a virtual host that does not exist")


@check
def idle_connection_lives_on_heartbeats(t):
    connection = t.connect(heartbeat=HEARTBEAT_SECONDS)
    channel = connection.channel()
    received, started = connection._impl.bytes_received, time.monotonic()
    while (left := started + IDLE_SECONDS - time.monotonic()) > 0:
        connection.process_data_events(time_limit=left)
    heartbeats, rest = divmod(connection._impl.bytes_received - received, 8)
    equal(rest, 0, "bytes that are no heartbeat")
    assert heartbeats >= IDLE_SECONDS // HEARTBEAT_SECONDS, f"{heartbeats} heartbeats received"
    channel.queue_declare("", exclusive=True)


@check
def hundred_channels_work_on_one_connection(t):
    connection = t.connect()
    channels = [connection.channel() for _ in range(CHANNELS)]
    name = t.queue(channels[0])
    for number, channel in enumerate(channels):
        channel.confirm_delivery()
        channel.basic_publish("", name, b"%d" % number)
    bodies = [channel.basic_get(name, auto_ack=True)[2] for channel in reversed(channels)]
    equal(bodies, [b"%d" % number for number in range(CHANNELS)])
    for channel in channels:
        channel.close()
    connection.channel().queue_declare("", exclusive=True)


@check
def channel_number_is_usable_again_after_close(t):
    connection = t.connect()
    for _ in range(3):
        channel = connection.channel(7)
        channel.queue_declare("", exclusive=True)
        channel.close()


@check
def secret_can_be_updated(t):
    connection = t.connect()
    connection.update_secret("guest", "routine")
    connection.channel().queue_declare("", exclusive=True)


@check
def small_frames_split_a_message(t):
    channel = t.connect(frame_max=8192).channel()
    channel.confirm_delivery()
    name = t.queue(channel)
    body = bytes(range(251)) * 400
    channel.basic_publish("", name, body)
    assert channel.basic_get(name, auto_ack=True)[2] == body, "the body differs"


@check
def closing_the_connection_is_answered(t):
    connection = t.connect()
    connection.channel()
    connection.close()
    assert connection.is_closed
