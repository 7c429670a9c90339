"""Terraform's provider cyrilgdn/rabbitmq: every resource is put, read back and deleted."""

from urllib.parse import unquote

from harness import api_path, check, equal


def binding_path(vhost, source, destination, kind="q"):
    return api_path("bindings", vhost, "e", source, kind, destination)


def bound(t, path, body):
    """Binds as the provider does: it keeps the last part of Location, decoded once."""
    answer = t.api.expect(201, "POST", path, body)
    key = unquote(answer.headers["Location"].split("/")[-1])
    found = [each for each in t.api.get(path) if each["properties_key"] == key]
    equal(len(found), 1, f"bindings with key {key!r} in {t.api.get(path)!r}")
    return found[0]


@check
def terraform_vhost(t):
    name = t.name("vhost")
    t.delete_later("vhosts", name)
    path = api_path("vhosts", name)
    t.api.expect(404, "GET", path)
    t.api.expect(201, "PUT", path, {"description": "d", "tracing": False})
    equal((t.api.get(path)["name"], t.api.get(path)["tracing"]), (name, False))
    t.api.expect(204, "PUT", path, {"description": "e", "tracing": True})
    equal((t.api.get(path)["tracing"], t.api.get(path)["description"]), (True, "e"))
    t.api.expect(204, "DELETE", path)
    t.api.expect(404, "DELETE", path)


@check
def terraform_topic_permissions(t):
    vhost = t.vhost()
    user = t.user(vhosts=[vhost])
    path = api_path("topic-permissions", vhost, user)
    t.api.expect(404, "GET", path)
    for status, write in ((201, "^a"), (204, "^b")):
        t.api.expect(status, "PUT", path, {"exchange": "amq.topic", "write": write, "read": ".*"})
    equal(t.api.get(path), [{"user": user, "vhost": vhost, "exchange": "amq.topic",
                             "write": "^b", "read": ".*"}])
    equal(t.api.get(api_path("users", user, "topic-permissions")), t.api.get(path))
    equal(t.api.get(api_path("vhosts", vhost, "topic-permissions")), t.api.get(path))
    t.api.expect(204, "DELETE", path)
    t.api.expect(404, "GET", path)


@check
def terraform_queue_with_arguments(t):
    vhost = t.vhost()
    path = api_path("queues", vhost, "q")
    arguments = {"x-message-ttl": 5000, "x-dead-letter-exchange": "dlx", "x-max-priority": 10,
                 "x-queue-mode": "lazy"}
    t.api.expect(201, "PUT", path, {"durable": True, "auto_delete": False,
                                    "arguments": arguments})
    queue = t.api.get(path)
    equal({key: queue["arguments"].get(key) for key in arguments}, arguments)
    equal(queue["type"], "classic")
    t.api.expect(204, "DELETE", path)
    t.api.expect(404, "GET", path)


@check
def terraform_exchange_and_bindings(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    t.api.expect(201, "PUT", api_path("exchanges", vhost, "x"), {
        "type": "topic", "durable": True, "auto_delete": False,
        "arguments": {"alternate-exchange": "amq.fanout"}})
    path = binding_path(vhost, "x", queue)
    for key in ("#", "a.b", "", "~", "a/b c+d", "100%", "ü"):
        binding = bound(t, path, {"source": "x", "destination": queue, "destination_type": "queue",
                                  "routing_key": key, "arguments": {}})
        equal(binding["routing_key"], key)
        one = f"{path}/{api_path(binding['properties_key'])[5:]}"
        equal(t.api.get(one)["routing_key"], key)
        t.api.expect(204, "DELETE", one)
        t.api.expect(404, "GET", one)
    equal(t.api.get(path), [])


@check
def terraform_binding_with_arguments(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    path = binding_path(vhost, "amq.headers", queue)
    plain = bound(t, path, {"routing_key": "k", "arguments": {}})
    arguments = {"x-match": "all", "size": 3, "inner": {"a": [1, True, "s"]}, "half": 0.5}
    binding = bound(t, path, {"routing_key": "k", "arguments": arguments})
    equal(binding["arguments"], arguments)
    assert binding["properties_key"].startswith("k~"), binding
    again = bound(t, path, {"routing_key": "k", "arguments": arguments})
    equal(again["properties_key"], binding["properties_key"])
    equal(len(t.api.get(path)), 2)
    t.api.expect(204, "DELETE", f"{path}/{api_path(binding['properties_key'])[5:]}")
    equal(t.api.get(path), [plain])


@check
def terraform_binding_between_exchanges(t):
    vhost = t.vhost()
    for name in ("from", "to"):
        t.api.expect(201, "PUT", api_path("exchanges", vhost, name), {"type": "fanout"})
    path = binding_path(vhost, "from", "to", "e")
    binding = bound(t, path, {"routing_key": "", "arguments": {}})
    equal((binding["destination_type"], binding["properties_key"]), ("exchange", "~"))
    equal(t.api.get(api_path("exchanges", vhost, "from", "bindings", "source")), [binding])
    equal(t.api.get(api_path("exchanges", vhost, "to", "bindings", "destination")), [binding])
    t.api.expect(204, "DELETE", f"{path}/~")
    equal(t.api.get(path), [])


@check
def terraform_operator_policy(t):
    vhost = t.vhost()
    path = api_path("operator-policies", vhost, "o")
    policy = {"pattern": ".*", "priority": 0, "apply-to": "queues",
              "definition": {"message-ttl": 3600000, "expires": 1800000}}
    t.api.expect(201, "PUT", path, policy)
    equal(t.api.get(path), {"vhost": vhost, "name": "o", **policy})
    t.api.expect(204, "DELETE", path)
    t.api.expect(404, "GET", path)


@check
def terraform_names_the_default_exchange(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    bindings = t.api.get(binding_path(vhost, "amq.default", queue))
    equal([(each["source"], each["routing_key"]) for each in bindings], [("", queue)])
