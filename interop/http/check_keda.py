"""KEDA, which scales Kubernetes workloads: one queue, or those that match a pattern."""

from urllib.parse import quote

from harness import INT64, api_path, check, equal, eventually, has, reads

RATE = {"rate": float}


def scaler_reads(queue):
    """The fields of a queue that its struct has."""
    has(queue, name=str, messages=INT64, messages_unacknowledged=INT64)
    reads(queue, consumers=INT64,
          message_stats={"publish_details": RATE, "deliver_get_details": RATE})


@check
def keda_reads_one_queue(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    t.publish(vhost, queue, 2)

    def counted():
        return t.api.get(api_path("queues", vhost, queue)).get("messages") == 2
    eventually(counted, "the messages to be counted")
    answer = t.api.get(api_path("queues", vhost, queue))
    scaler_reads(answer)
    equal(answer["name"], queue)
    assert answer["message_stats"]["publish_details"]["rate"] >= 0, answer["message_stats"]


@check
def keda_learns_the_publish_rate(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    channel = t.connect(vhost).channel()

    def rate():
        for _ in range(20):
            channel.basic_publish("", queue, b"abc")
        stats = t.api.get(api_path("queues", vhost, queue)).get("message_stats", {})
        return stats.get("publish_details", {}).get("rate", 0)
    eventually(lambda: rate() > 1, "a rate above one message a second")


def matching(t, vhost, pattern):
    path = api_path("queues", vhost) if vhost else "/api/queues"
    return t.api.get(f"{path}?page=1&use_regex=true&pagination=false&name={quote(pattern)}"
                     "&page_size=100")


@check
def keda_reads_queues_that_match_a_pattern(t):
    vhost = t.vhost()
    names = sorted(t.queue(vhost) for _ in range(3))
    pattern = f"^({names[0]}|{names[2]})$"
    for where in (vhost, None):
        def counted():
            return all("messages" in each for each in matching(t, where, pattern)["items"])
        eventually(counted, "the queues to have statistics")
        answer = matching(t, where, pattern)
        has(answer, items=[dict], filtered_count=INT64, page=INT64, page_count=INT64)
        equal([each["name"] for each in answer["items"]], [names[0], names[2]])
        equal((answer["filtered_count"], answer["page"], answer["page_count"]), (2, 1, 1))
        for queue in answer["items"]:
            scaler_reads(queue)


@check
def keda_finds_nothing(t):
    answer = matching(t, t.vhost(), "^none$")
    equal((answer["items"], answer["filtered_count"], answer["item_count"]), ([], 0, 0))


@check
def keda_meets_a_missing_queue(t):
    answer = t.api.expect(404, "GET", api_path("queues", t.vhost(), "missing"))
    equal(answer.json, {"error": "Object Not Found", "reason": "Not Found"})
