"""Connections, channels and consumers that are open, and closing them."""

from pika.exceptions import ConnectionClosedByBroker

from harness import check, equal, eventually


def connected(t, vhost, user="guest", password="guest"):
    """An open connection and its name in the management API."""
    known = t.name("connection")
    connection = t.connect(vhost, user, password,
                           client_properties={"connection_name": known})

    def found():
        return [each["name"] for each in t.api.get("/api/connections")
                if each.get("client_properties", {}).get("connection_name") == known]
    eventually(found, "the connection to be listed")
    return connection, found()[0]


@check
def connections_list(t):
    vhost = t.vhost()
    _, name = connected(t, vhost)
    for listing in (("connections", "list"), ("list", "connections"),
                    ("connections", "list", "--page", "1", "--page-size", "100")):
        row = t.row("name", name, *listing)
        equal((row["username"], row["protocol"], row["node"], row["state"]),
              ("guest", "AMQP 0-9-1", t.node(), "running"))
        equal(row["client_port"], name.split(" -> ")[0].split(":")[-1])


@check
def connections_of_a_user(t):
    vhost = t.vhost()
    user = t.user(vhosts=[vhost])
    _, name = connected(t, vhost, user, "secret")
    for listing in (("connections", "list_of_user"), ("users", "connections"),
                    ("list", "user_connections")):
        row = t.row("name", name, *listing, "--username", user)
        equal((row["username"], row["vhost"]), (user, vhost))


@check
def close_connection(t):
    connection, name = connected(t, t.vhost())
    t.ok("close", "connection", "--name", name)
    try:
        connection.process_data_events(time_limit=10)
    except ConnectionClosedByBroker as closed:
        equal(closed.reply_code, 320)
        assert closed.reply_text.startswith("CONNECTION_FORCED - "), closed.reply_text
    else:
        raise AssertionError("the connection stayed open")
    eventually(lambda: name not in t.ok("list", "connections"), "the connection to be gone")
    t.refused("404 Not Found", "connections", "close", "--name", name)
    t.ok("connections", "close", "--name", name, "--idempotently")


@check
def close_connections_of_a_user(t):
    vhost = t.vhost()
    for group, command in (("close", "user_connections"), ("connections", "close_of_user")):
        user = t.user(vhosts=[vhost])
        connection, _ = connected(t, vhost, user, "secret")
        t.ok(group, command, "--username", user)
        try:
            connection.process_data_events(time_limit=10)
        except ConnectionClosedByBroker as closed:
            equal(closed.reply_code, 320)
        else:
            raise AssertionError("the connection stayed open")


@check
def channels_list(t):
    vhost = t.vhost()
    connection, name = connected(t, vhost)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=7)
    queue = t.declare_queue(vhost)
    channel.basic_consume(queue, lambda *_: None)

    def shown():
        rows = [row for row in t.rows("channels", "list") if row["name"].startswith(name)]
        return rows if rows and rows[0]["consumer_count"] == "1" else None
    eventually(shown, "the channel to be listed with its consumer")
    row = t.row("name", f"{name} (1)", "list", "channels")
    equal((row["id"], row["vhost"], row["prefetch_count"], row["messages_unacknowledged"],
           row["has_publisher_confirms_enabled"]), ("1", vhost, "7", "0", "true"))
    assert f"{name} (1)" in t.ok("channels", "list", "--page", "1", "--page-size", "100")


@check
def consumers_list(t):
    t.since((4, 0), "the field consumer_timeout of consumers")
    vhost = t.vhost()
    connection, _ = connected(t, vhost)
    channel = connection.channel()
    queue = t.declare_queue(vhost)
    channel.basic_qos(prefetch_count=3)
    channel.basic_consume(queue, lambda *_: None, consumer_tag="tag", arguments={"x-priority": 2})
    eventually(lambda: queue in t.ok("list", "consumers", vhost=vhost), "the consumer to be listed")
    row = t.row("queue", queue, "list", "consumers", vhost=vhost)
    equal((row["vhost"], row["consumer_tag"], row["manual_ack"], row["prefetch_count"],
           row["active"], row["exclusive"], row["arguments"]),
          (vhost, "tag", "true", "3", "true", "false", "x-priority: 2"))
