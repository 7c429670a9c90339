"""flower, the monitor of Celery: it lists the queues of one virtual host and shows five fields."""

from harness import api_path, check, equal, eventually


def flower(t, vhost):
    """What its page of the broker shows, by the names of the queues."""
    return {each["name"]: each for each in t.api.get(api_path("queues", vhost))}


@check
def flower_shows_queues(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    t.publish(vhost, queue, 3)
    channel = t.connect(vhost).channel()
    channel.basic_get(queue)
    channel.basic_consume(t.queue(vhost), lambda *_: None)

    def shown():
        return [flower(t, vhost)[queue].get(field) for field in
                ("messages", "messages_ready", "messages_unacknowledged", "consumers")]
    eventually(lambda: shown() == [3, 2, 1, 0], "the messages to be counted")
    eventually(lambda: sorted(each["consumers"] for each in flower(t, vhost).values()) == [0, 1],
               "the consumer to be counted")


@check
def flower_shows_when_a_queue_fell_idle(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    t.publish(vhost, queue)

    def idle():
        return flower(t, vhost)[queue].get("idle_since")
    eventually(idle, "the queue to be idle")
    date, time = idle().split("T" if "T" in idle() else " ")
    equal((date.count("-"), time.count(":") >= 2), (2, True))


@check
def flower_asks_for_the_default_virtual_host(t):
    equal(t.api.request("GET", "/api/queues/%2F").status, 200)
    equal(t.api.request("GET", "/api/queues/%2f").status, 200)
