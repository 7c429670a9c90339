"""What the tool shows of the node: overview, memory, plugins, features, health."""

from harness import AMQP_PORT, EX_UNAVAILABLE, HTTP_PORT, check, equal


@check
def show_overview(t):
    values = t.values("show", "overview")
    overview = t.api.get("/api/overview")
    equal(values["Product name"], overview["product_name"])
    equal(values["RabbitMQ version"], overview["rabbitmq_version"])
    for key in ("Connections (total)", "AMQP 0-9-1 channels (total)", "Queues and streams (total)",
                "Consumers (total)", "Messages (total)", "Messages ready for delivery (total)",
                "Messages delivered but unacknowledged by consumers (total)"):
        assert values[key].isdecimal(), f"{key}: {values[key]!r}"


@check
def show_churn(t):
    values = t.values("show", "churn")
    equal(len(values), 7)
    assert all(value.isdecimal() for value in values.values()), values


@check
def show_endpoint(t):
    assert f":{HTTP_PORT}/api" in t.ok("show", "endpoint")


@check
def show_memory_breakdown(t):
    t.since((4, 0), "all kinds of memory that the tool wants")
    node = t.node()
    for group in ("show", "nodes"):
        in_bytes = t.values(group, "memory_breakdown_in_bytes", "--node", node)
        assert int(in_bytes["Total (RSS)"]) > 1_000_000, in_bytes
        assert "%" in t.ok(group, "memory_breakdown_in_percent", "--node", node)


@check
def memory_of_an_unknown_node_is_not_found(t):
    t.refused("404 Not Found", "show", "memory_breakdown_in_bytes", "--node", "rabbit@nowhere")


@check
def nodes_list(t):
    t.since((4, 0), "the field being_drained of nodes")
    for command in (("nodes", "list"), ("list", "nodes")):
        row = t.row("name", t.node(), *command)
        equal(row["has_memory_alarm_in_effect"], "false")
        equal(row["has_free_disk_space_alarm_in_effect"], "false")
        for field in ("uptime", "os_pid", "fd_total", "memory_high_watermark",
                      "free_disk_space_low_watermark"):
            assert int(row[field]) > 0, f"{field}: {row[field]}"


@check
def plugins(t):
    t.since((4, 0), "the field being_drained of nodes")
    everywhere = t.ok("plugins", "list_all")
    equal(t.ok("plugins", "list_on_node", "--node", t.node()).splitlines()[2:],
          everywhere.splitlines()[2:])


@check
def feature_flags(t):
    rows = t.rows("feature_flags", "list")
    equal([row["name"] for row in t.rows("list", "feature_flags")], [row["name"] for row in rows])
    flags = {row["name"]: row for row in rows}
    assert flags["quorum_queue"]["state"].startswith("enabled"), flags["quorum_queue"]
    t.ok("feature_flags", "enable", "--name", "quorum_queue")
    t.refused("", "feature_flags", "enable", "--name", "no_such_flag")


@check
def all_stable_feature_flags_can_be_enabled(t):
    t.since((4, 0), "flags that change nothing")
    t.ok("feature_flags", "enable_all")
    states = {row["state"].rstrip(",") for row in t.rows("feature_flags", "list")
              if row["stability"].startswith("stable")}
    assert states <= {"enabled"}, states


@check
def deprecated_features(t):
    t.since((3, 13), "deprecated features")
    rows = t.rows("deprecated_features", "list")
    equal(t.rows("list", "deprecated_features"), rows)
    used = t.rows("deprecated_features", "list_used")
    equal(t.rows("list", "deprecated_features_in_use"), used)
    assert {row["name"] for row in used} <= {row["name"] for row in rows}


@check
def health_checks_pass(t):
    for name in ("local_alarms", "cluster_wide_alarms", "node_is_quorum_critical"):
        t.ok("health_check", name)


@check
def health_check_of_listeners(t):
    t.ok("health_check", "port_listener", "--port", str(AMQP_PORT))
    t.ok("health_check", "port_listener", "--port", str(HTTP_PORT))
    t.refused("No active listener", "health_check", "port_listener", "--port", "1",
              code=EX_UNAVAILABLE)
    t.ok("health_check", "protocol_listener", "--protocol", "amqp")
    t.ok("health_check", "protocol_listener", "--protocol", "http")
    t.refused("No active listener", "health_check", "protocol_listener", "--protocol", "mqtt",
              code=EX_UNAVAILABLE)


@check
def auth_attempts(t):
    def attempts():
        rows = t.rows("auth_attempts", "stats", "--node", t.node())
        return {row["Protocol"]: (int(row["Failed"]), int(row["Successful"])) for row in rows}
    t.refused("Login failed", "list", "users", password="wrong")
    before = attempts()
    t.refused("Login failed", "list", "users", password="wrong")
    after = attempts()
    assert after["http"][0] > before["http"][0], (before, after)
    assert after["http"][1] > before["http"][1], (before, after)


@check
def rebalance(t):
    t.ok("rebalance", "queues")
    t.ok("queues", "rebalance")


@check
def federation_and_shovels_are_none(t):
    equal(t.rows("federation", "list_all_upstreams"), [])
    if t.api.request("GET", "/api/shovels").status == 404:
        t.since((4, 0), "shovels and federation without plugins")
    equal(t.rows("federation", "list_all_links"), [])
    equal(t.rows("shovels", "list_all"), [])
    equal(t.rows("shovels", "list", vhost="/"), [])


@check
def passwords(t):
    hashed = t.values("passwords", "salt_and_hash", "open sesame")["password hash"]
    name = t.name("user")
    t.delete_later("users", name)
    t.ok("users", "declare", "--name", name, "--password-hash", hashed, "--tags", "management")
    t.ok("list", "vhosts", user=name, password="open sesame")
    t.refused("Login failed", "list", "vhosts", user=name, password="open barley")


@check
def passwords_with_sha512(t):
    hashed = t.values("passwords", "salt_and_hash", "open sesame",
                      "--hashing-algorithm", "SHA512")["password hash"]
    name = t.name("user")
    t.delete_later("users", name)
    t.api.expect(201, "PUT", f"/api/users/{name}", {
        "password_hash": hashed, "tags": "management",
        "hashing_algorithm": "rabbit_password_hashing_sha512"})
    t.ok("list", "vhosts", user=name, password="open sesame")
