"""Prometheus, and the series that the dashboard RabbitMQ-Overview of Grafana reads."""

import re

from harness import METRICS_PORT, Api, api_path, check, equal, eventually

GAUGES = """
rabbitmq_queue_messages_ready rabbitmq_queue_messages_unacked rabbitmq_connections
rabbitmq_channels rabbitmq_queues rabbitmq_global_publishers rabbitmq_global_consumers
rabbitmq_erlang_uptime_seconds rabbitmq_resident_memory_limit_bytes
rabbitmq_process_resident_memory_bytes rabbitmq_disk_space_available_bytes
rabbitmq_disk_space_available_limit_bytes rabbitmq_process_max_fds rabbitmq_process_open_fds
""".split()
COUNTERS = """
rabbitmq_global_messages_received_total rabbitmq_global_messages_received_confirm_total
rabbitmq_global_messages_confirmed_total rabbitmq_global_messages_routed_total
rabbitmq_global_messages_unroutable_dropped_total
rabbitmq_global_messages_unroutable_returned_total rabbitmq_global_messages_delivered_total
rabbitmq_global_messages_delivered_consume_auto_ack_total
rabbitmq_global_messages_delivered_consume_manual_ack_total
rabbitmq_global_messages_delivered_get_auto_ack_total
rabbitmq_global_messages_delivered_get_manual_ack_total
rabbitmq_global_messages_get_empty_total rabbitmq_global_messages_redelivered_total
rabbitmq_global_messages_acknowledged_total rabbitmq_queues_declared_total
rabbitmq_queues_created_total rabbitmq_queues_deleted_total rabbitmq_channels_opened_total
rabbitmq_channels_closed_total rabbitmq_connections_opened_total rabbitmq_connections_closed_total
""".split()
SIZES = ["100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08", "+Inf"]
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')


class Scrape:
    """One scrape, as Prometheus reads it: every line has to be right."""

    def __init__(self, text):
        self.types = {}
        self.samples = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.types, f"two types of {name}"
                self.types[name] = kind
            elif line and not line.startswith("#"):
                self._add(line)

    def _add(self, line):
        found = SAMPLE.match(line)
        assert found, f"no sample: {line!r}"
        name, labels, value = found.groups()
        labels = LABEL.findall(labels or "")
        key = tuple(sorted(labels))
        of = self.samples.setdefault(name, {})
        assert key not in of, f"twice: {line!r}"
        of[key] = float(value)

    def total(self, name):
        """The sum over all labels."""
        assert name in self.samples, f"no {name}"
        return sum(self.samples[name].values())

    def labels(self, name):
        """The labels of the only sample."""
        equal(len(self.samples.get(name, ())), 1, f"samples of {name}")
        return dict(next(iter(self.samples[name])))


def scrape(path="/metrics", **headers):
    answer = Api(None, port=METRICS_PORT).expect(200, "GET", path, headers=headers)
    assert answer.headers["Content-Type"].startswith("text/plain"), answer.headers
    return Scrape(answer.body.decode())


@check
def prometheus_finds_every_series_of_the_dashboard(_t):
    seen = scrape()
    for names, kind in ((GAUGES, "gauge"), (COUNTERS, "counter")):
        missing = [name for name in names if name not in seen.samples]
        equal(missing, [], f"missing {kind}s")
        wrong = [name for name in names if seen.types[name] != kind]
        equal(wrong, [], f"series that are no {kind}s")


@check
def prometheus_can_join_identity_info(t):
    overview = t.api.get("/api/overview")
    seen = scrape()
    identity = seen.labels("rabbitmq_identity_info")
    equal((identity["rabbitmq_node"], identity["rabbitmq_cluster"]),
          (overview["node"], overview["cluster_name"]))
    assert identity["rabbitmq_cluster_permanent_id"], identity
    if t.version() >= (4, 0):
        equal(identity["rabbitmq_endpoint"], "aggregated")
    build = seen.labels("rabbitmq_build_info")
    equal(build["rabbitmq_version"], overview["rabbitmq_version"])
    assert {"prometheus_plugin_version", "prometheus_client_version", "erlang_version"} <= set(
        build), build
    equal((seen.total("rabbitmq_identity_info"), seen.total("rabbitmq_build_info")), (1, 1))


@check
def prometheus_sees_message_sizes(t):
    t.since((4, 0), "a histogram of message sizes")
    seen = scrape()
    equal(seen.types["rabbitmq_message_size_bytes"], "histogram")
    buckets = {}
    for labels, value in seen.samples["rabbitmq_message_size_bytes_bucket"].items():
        buckets.setdefault(dict(labels)["le"], 0)
        buckets[dict(labels)["le"]] += value
    equal(list(buckets), SIZES)
    assert list(buckets.values()) == sorted(buckets.values()), buckets
    equal(buckets["+Inf"], seen.total("rabbitmq_message_size_bytes_count"))
    assert "rabbitmq_message_size_bytes_sum" in seen.samples


@check
def prometheus_counts_messages(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    channel = t.connect(vhost).channel()
    before = scrape()
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("", queue, b"abc")
    channel.basic_publish("", "nobody", b"lost")
    channel.basic_get(queue, auto_ack=True)
    tag = channel.basic_get(queue)[0].delivery_tag
    channel.basic_nack(tag, requeue=True)
    channel.basic_ack(channel.basic_get(queue)[0].delivery_tag)
    channel.queue_purge(queue)
    channel.basic_get(queue)

    def grown():
        now = scrape()
        return {name: now.total(f"rabbitmq_global_messages_{name}_total")
                - before.total(f"rabbitmq_global_messages_{name}_total")
                for name in ("received", "received_confirm", "confirmed", "routed",
                             "unroutable_dropped", "delivered", "delivered_get_auto_ack",
                             "delivered_get_manual_ack", "get_empty", "redelivered",
                             "acknowledged")}
    wanted = {"received": 4, "received_confirm": 4, "confirmed": 4, "routed": 3,
              "unroutable_dropped": 1, "delivered": 3, "delivered_get_auto_ack": 1,
              "delivered_get_manual_ack": 2, "get_empty": 1, "redelivered": 1, "acknowledged": 1}
    eventually(lambda: all(grown()[name] >= count for name, count in wanted.items()),
               "the messages to be counted")


@check
def prometheus_counts_the_queue(t):
    before = scrape()
    vhost = t.vhost()
    queue = t.queue(vhost)
    t.publish(vhost, queue, 2)
    eventually(lambda: scrape().total("rabbitmq_queue_messages_ready")
               >= before.total("rabbitmq_queue_messages_ready") + 2, "the messages to be counted")
    after = scrape()
    assert after.total("rabbitmq_queues_created_total") > before.total(
        "rabbitmq_queues_created_total")
    assert after.total("rabbitmq_connections_opened_total") >= before.total(
        "rabbitmq_connections_opened_total")


@check
def prometheus_labels_protocol_and_queue_type(_t):
    seen = scrape()
    for labels in seen.samples["rabbitmq_global_messages_received_total"]:
        assert dict(labels)["protocol"].startswith("amqp"), labels
    for labels in seen.samples["rabbitmq_global_messages_delivered_total"]:
        assert dict(labels)["queue_type"] in (
            "rabbit_classic_queue", "rabbit_quorum_queue", "rabbit_stream_queue"), labels


@check
def prometheus_sees_single_queues(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    t.publish(vhost, queue, 2)
    path = f"/metrics/detailed?vhost={vhost}&family=queue_coarse_metrics"

    def ready():
        of = scrape(path).samples.get("rabbitmq_detailed_queue_messages_ready", {})
        return {dict(labels)["queue"]: value for labels, value in of.items()
                if dict(labels)["vhost"] == vhost}
    eventually(lambda: ready() == {queue: 2}, "the queue with its messages")


@check
def prometheus_sees_strange_names(t):
    t.since((4, 0), "labels that are escaped")
    vhost = t.vhost()
    name = 'a"b\\c\nd<ü>'
    t.api.expect(201, "PUT", api_path("queues", vhost, name), {})

    def seen():
        of = scrape(f"/metrics/detailed?vhost={vhost}&family=queue_coarse_metrics")
        return [dict(labels)["queue"] for labels in
                of.samples.get("rabbitmq_detailed_queue_messages", {})]
    eventually(lambda: seen() == [r'a\"b\\c\nd<ü>'], "the queue with its name escaped")


@check
def prometheus_sees_alarms(_t):
    seen = scrape()
    for name in ("rabbitmq_alarms_memory_used_watermark",
                 "rabbitmq_alarms_free_disk_space_watermark"):
        equal(seen.total(name), 0, name)
