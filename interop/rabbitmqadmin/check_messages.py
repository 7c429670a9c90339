"""Publishing, getting and purging."""

import tempfile

from harness import check, equal, eventually


@check
def publish_and_get(t):
    vhost = t.vhost()
    queue = t.declare_queue(vhost)
    said = t.ok("publish", "message", "-k", queue, "-m", "hello",
                "-p", '{"content_type": "text/plain", "headers": {"h": 1}}', vhost=vhost)
    assert "routed successfully" in said, said
    got = t.rows("get", "messages", "-q", queue, "-a", "ack_requeue_false", vhost=vhost)
    equal(len(got), 1)
    equal((got[0]["payload"], got[0]["payload_bytes"], got[0]["payload_encoding"],
           got[0]["redelivered"], got[0]["exchange"], got[0]["routing_key"],
           got[0]["message_count"]), ("hello", "5", "string", "false", "", queue, "0"))
    equal(sorted(got[0]["properties"].split("\n")),
          ['content_type: "text/plain"', 'headers: {"h":1}'])
    equal(t.rows("get", "messages", "-q", queue, vhost=vhost), [])


@check
def unroutable_message_is_told(t):
    said = t.ok("publish", "message", "-k", "nobody", "-m", "hello", vhost=t.vhost())
    assert "not routed" in said.lower() or "not route" in said.lower(), said


@check
def publish_from_a_file(t):
    vhost = t.vhost()
    queue = t.declare_queue(vhost)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("from a file")
        file.flush()
        t.ok("publish", "message", "-k", queue, "-f", file.name, vhost=vhost)
    got = t.rows("get", "messages", "-q", queue, vhost=vhost)
    equal([row["payload"] for row in got], ["from a file"])


@check
def publish_to_a_missing_exchange_is_refused(t):
    t.refused("40", "publish", "message", "-e", "missing", "-k", "k", "-m", "m", vhost=t.vhost())


@check
def requeued_message_comes_again(t):
    vhost = t.vhost()
    queue = t.declare_queue(vhost)
    for body in ("one", "two"):
        t.ok("publish", "message", "-k", queue, "-m", body, vhost=vhost)
    for redelivered in ("false", "true"):
        got = t.rows("get", "messages", "-q", queue, "-c", "5", "-a", "ack_requeue_true",
                     vhost=vhost)
        equal([(row["payload"], row["redelivered"]) for row in got],
              [("one", redelivered), ("two", redelivered)])
    got = t.rows("get", "messages", "-q", queue, "-c", "5", "-a", "reject_requeue_false",
                 vhost=vhost)
    equal([row["payload"] for row in got], ["one", "two"])
    equal(t.rows("get", "messages", "-q", queue, vhost=vhost), [])


@check
def get_from_a_missing_queue_is_not_found(t):
    t.refused("404 Not Found", "get", "messages", "-q", "missing", vhost=t.vhost())


@check
def purge(t):
    vhost = t.vhost()
    queue = t.declare_queue(vhost)
    for command in (("queues", "purge"), ("purge", "queue")):
        t.ok("publish", "message", "-k", queue, "-m", "gone", vhost=vhost)
        t.ok(*command, "--name", queue, vhost=vhost)
        equal(t.rows("get", "messages", "-q", queue, vhost=vhost), [])
    t.refused("404 Not Found", "queues", "purge", "--name", "missing", vhost=vhost)


@check
def counts_of_messages_are_shown(t):
    vhost = t.vhost()
    queue = t.declare_queue(vhost)
    for _ in range(3):
        t.ok("publish", "message", "-k", queue, "-m", "12345", vhost=vhost)

    def counts():
        row = t.row("name", queue, "queues", "show", "--name", queue, vhost=vhost)
        return row["message_count"], row["message_bytes"], row["unacknowledged_message_count"]
    eventually(lambda: counts() == ("3", "15", "0"), "three messages to be counted")
