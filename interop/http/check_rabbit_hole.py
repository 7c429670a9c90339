"""rabbit-hole, the Go client that Terraform and the Kubernetes operators use: types of fields."""

from harness import INT64, UINT32, api_path, check, equal, eventually, has, reads

RATE = {"rate": float}
NAMED = [{"name": str, "description": str, "enabled": bool}]
LISTENERS = [{"node": str, "protocol": str, "ip_address": str, "port": UINT32}]
CONTEXTS = [{"node": str, "description": str, "path": str, "port": (int, str)}]  # it reads both
MESSAGE_STATS = {
    **{name: INT64 for name in ("publish", "confirm", "deliver", "deliver_no_ack", "deliver_get",
                                "redeliver", "get", "get_no_ack", "ack", "return_unroutable",
                                "drop_unroutable", "publish_in", "publish_out")},
    **{f"{name}_details": RATE for name in ("publish", "deliver", "deliver_no_ack", "deliver_get",
                                            "redeliver", "get", "get_no_ack", "ack", "confirm",
                                            "publish_in", "publish_out")},
}


@check
def rabbit_hole_overview(t):
    overview = t.api.get("/api/overview")
    has(overview, management_version=str, rabbitmq_version=str, erlang_version=str,
        erlang_full_version=str, exchange_types=NAMED, node=str, cluster_name=str,
        object_totals={name: INT64 for name in ("consumers", "queues", "exchanges",
                                                "connections", "channels")},
        listeners=LISTENERS, contexts=CONTEXTS, rates_mode=str, queue_totals=dict)
    reads(overview, message_stats=MESSAGE_STATS, product_name=str, product_version=str,
          queue_totals={"messages": INT64, "messages_details": RATE, "messages_ready": INT64,
                        "messages_ready_details": RATE, "messages_unacknowledged": INT64,
                        "messages_unacknowledged_details": RATE},
          churn_rates={"connection_created": INT64, "connection_created_details": RATE,
                       "queue_declared": INT64, "channel_closed": INT64})
    assert {"direct", "fanout", "headers", "topic"} <= {
        each["name"] for each in overview["exchange_types"]}


@check
def rabbit_hole_nodes(t):
    name = t.api.get("/api/overview")["node"]
    for node in (*t.api.get("/api/nodes"), t.api.get(api_path("nodes", name))):
        has(node, name=str, type=str, running=bool, os_pid=str, fd_used=INT64, fd_total=INT64,
            sockets_used=INT64, sockets_total=INT64, mem_used=INT64, mem_limit=INT64,
            mem_alarm=bool, disk_free=INT64, disk_free_limit=INT64, disk_free_alarm=bool,
            proc_used=INT64, proc_total=INT64, run_queue=UINT32, processors=UINT32, uptime=INT64,
            exchange_types=NAMED, auth_mechanisms=NAMED,
            applications=[{"name": str, "description": str, "version": str}], contexts=CONTEXTS,
            partitions=[str], log_files=[str], db_dir=str, config_files=[str],
            net_ticktime=INT64, enabled_plugins=[str], mem_calculation_strategy=str)
        equal((node["name"], node["running"], node["mem_alarm"]), (name, True, False))
        mechanisms = {each["name"] for each in node["auth_mechanisms"] if each["enabled"]}
        assert {"PLAIN", "AMQPLAIN"} <= mechanisms, mechanisms
    if t.version() >= (4, 0):  # an older one fails
        t.api.expect(404, "GET", "/api/nodes/rabbit@nowhere")


@check
def rabbit_hole_queues(t):
    vhost = t.vhost()
    queue = t.queue(vhost, arguments={"x-message-ttl": 60000})
    t.publish(vhost, queue, 2)
    channel = t.connect(vhost).channel()
    channel.basic_get(queue)

    def one():
        return t.api.get(api_path("queues", vhost, queue))
    def all_of_them():
        return one(), *t.api.get(api_path("queues", vhost))
    eventually(lambda: all(each.get("messages_unacknowledged") == 1 and "consumers" in each
                           for each in all_of_them()), "the messages to be counted")
    for each in all_of_them():
        has(each, name=str, vhost=str, type=str, durable=bool, auto_delete=bool, exclusive=bool,
            arguments=dict, node=str, messages=INT64, messages_details=RATE,
            messages_ready=INT64, messages_ready_details=RATE, messages_unacknowledged=INT64,
            messages_unacknowledged_details=RATE, message_stats=MESSAGE_STATS, consumers=INT64)
        reads(each, memory=INT64, consumer_utilisation=float, exclusive_consumer_tag=str,
              policy=str, message_bytes=INT64, message_bytes_persistent=INT64,
              message_bytes_ram=INT64, messages_persistent=INT64, messages_ram=INT64,
              owner_pid_details=dict, idle_since=str, state=str, head_message_timestamp=INT64,
              effective_policy_definition=dict)
    equal(one()["arguments"]["x-message-ttl"], 60000)
    equal((one()["message_bytes"], one()["messages_ready"]), (6, 1))


@check
def rabbit_hole_exclusive_queue_names_its_owner(t):
    vhost = t.vhost()
    channel = t.connect(vhost).channel()
    queue = channel.queue_declare("", exclusive=True).method.queue

    def one():
        return t.api.get(api_path("queues", vhost, queue))
    eventually(lambda: one().get("owner_pid_details"), "the owner to be told")
    has(one()["owner_pid_details"], name=str, peer_port=UINT32, peer_host=str)
    equal(one()["exclusive"], True)


@check
def rabbit_hole_pages_of_queues(t):
    vhost = t.vhost()
    names = sorted(t.queue(vhost) for _ in range(5))
    page = t.api.get(f"/api/queues?page=1&page_size=3&name={names[0][:14]}&sort=name")
    has(page, filtered_count=INT64, item_count=INT64, items=[dict], page=INT64, page_count=INT64,
        page_size=INT64, total_count=INT64)
    equal((page["page"], page["page_size"], page["item_count"]), (1, 3, 3))
    last = t.api.get(api_path("queues", vhost) + "?page=3&page_size=2")
    equal((last["total_count"], last["page_count"], last["item_count"]), (5, 3, 1))
    equal([each["name"] for each in last["items"]], names[4:])
    turned = t.api.get(api_path("queues", vhost)
                       + "?page=1&page_size=2&sort=name&sort_reverse=true")
    equal([each["name"] for each in turned["items"]], [names[4], names[3]])
    few = t.api.get(api_path("queues", vhost) + "?columns=name,durable")
    equal([sorted(each) for each in few], [["durable", "name"]] * 5)
    t.api.expect(400, "GET", api_path("queues", vhost) + "?page=0")
    t.api.expect(400, "GET", api_path("queues", vhost) + "?page=x")
    t.api.expect(400, "GET", api_path("queues", vhost) + "?page=9")


@check
def rabbit_hole_exchanges(t):
    vhost = t.vhost()
    path = api_path("exchanges", vhost, "x")
    t.api.expect(201, "PUT", path, {"type": "topic", "durable": True, "auto_delete": False,
                                    "arguments": {}})
    for each in (t.api.get(path), *t.api.get(api_path("exchanges", vhost))):
        has(each, name=str, vhost=str, type=str, durable=bool, auto_delete=bool, internal=bool,
            arguments=dict)
        reads(each, message_stats=MESSAGE_STATS, policy=str)
    has(t.api.get(path), incoming=list, outgoing=list)
    t.api.expect(204, "DELETE", path)
    t.api.expect(404, "GET", path)


@check
def rabbit_hole_connections_and_channels(t):
    vhost = t.vhost()
    known = t.name("connection")
    connection = t.connect(vhost, client_properties={"connection_name": known})
    connection.channel()

    def mine():
        return [each for each in t.api.get("/api/connections")
                if each.get("client_properties", {}).get("connection_name") == known]
    eventually(mine, "the connection to be listed")
    name = mine()[0]["name"]
    for each in (mine()[0], t.api.get(api_path("connections", name))):
        has(each, name=str, node=str, channels=INT64, state=str, type=str, port=UINT32,
            peer_port=UINT32, host=str, peer_host=str, ssl=bool, protocol=str, user=str, vhost=str,
            timeout=INT64, frame_max=INT64, channel_max=INT64, client_properties=dict,
            recv_oct=INT64, send_oct=INT64, recv_cnt=INT64, send_cnt=INT64, send_pend=INT64,
            connected_at=INT64, auth_mechanism=str, user_provided_name=str)
        reads(each, recv_oct_details=RATE, send_oct_details=RATE, peer_cert_subject=str,
              ssl_protocol=str, ssl_cipher=str, ssl_hash=str, ssl_key_exchange=str)
        equal((each["type"], each["user"], each["vhost"], each["user_provided_name"]),
              ("network", "guest", vhost, known))
    eventually(lambda: any("transactional" in each for each in
                           t.api.get(api_path("connections", name, "channels"))),
               "the channel to be listed")
    channel = t.api.get(api_path("channels", f"{name} (1)"))
    has(channel, number=INT64, name=str, connection_details={"name": str, "peer_port": UINT32,
                                                             "peer_host": str},
        node=str, user=str, vhost=str, transactional=bool, confirm=bool, consumer_count=INT64,
        messages_unacknowledged=INT64, messages_unconfirmed=INT64, messages_uncommitted=INT64,
        acks_uncommitted=INT64, prefetch_count=INT64, global_prefetch_count=INT64, state=str)


@check
def rabbit_hole_connection_is_closed_with_a_reason(t):
    vhost = t.vhost()
    known = t.name("connection")
    connection = t.connect(vhost, client_properties={"connection_name": known})

    def mine():
        return [each["name"] for each in t.api.get("/api/connections")
                if each.get("client_properties", {}).get("connection_name") == known]
    eventually(mine, "the connection to be listed")
    t.api.expect(204, "DELETE", api_path("connections", mine()[0]),
                 headers={"X-Reason": "maintenance"})
    try:
        connection.process_data_events(time_limit=10)
    except Exception as closed:  # pylint: disable=broad-except
        equal(str(getattr(closed, "reply_text", closed)), "CONNECTION_FORCED - maintenance")
    else:
        raise AssertionError("the connection stayed open")


@check
def rabbit_hole_users_and_permissions(t):
    vhost = t.vhost()
    name = t.name("user")
    t.delete_later("users", name)
    path = api_path("users", name)
    t.api.expect(201, "PUT", path, {"name": name, "tags": "policymaker,management",
                                    "password": "s3krE7"})
    t.api.expect(204, "PUT", path, {"name": name, "tags": ["monitoring"], "password": "s3krE7"})
    user = t.api.get(path)
    has(user, name=str, password_hash=str, hashing_algorithm=str, tags=[str])
    equal((user["tags"], user["hashing_algorithm"]),
          (["monitoring"], "rabbit_password_hashing_sha256"))
    assert name in [each["name"] for each in t.api.get("/api/users/")]
    who = t.api.get("/api/whoami")
    has(who, name=str, tags=[str])
    permission = api_path("permissions", vhost, name)
    t.api.expect(201, "PUT", permission, {"configure": ".*", "write": ".*", "read": ".*"})
    t.api.expect(204, "PUT", permission, {"configure": "", "write": ".*", "read": ".*"})
    equal(t.api.get(permission), {"user": name, "vhost": vhost, "configure": "", "write": ".*",
                                  "read": ".*"})
    equal(t.api.get(api_path("users", name, "permissions")), [t.api.get(permission)])
    t.api.expect(400, "PUT", permission, {"configure": ".*", "write": ".*"})
    t.api.expect(204, "DELETE", permission)
    t.api.expect(404, "GET", permission)
    t.api.expect(400, "PUT", path, {"password": "no tags"})
    t.api.expect(400, "PUT", path, {"password": "both", "password_hash": "", "tags": ""})


@check
def rabbit_hole_policies(t):
    vhost = t.vhost()
    path = api_path("policies", vhost, "p")
    policy = {"pattern": ".*", "definition": {"expires": 60000}, "priority": 1,
              "apply-to": "queues"}
    t.api.expect(201, "PUT", path, policy)
    t.api.expect(204, "PUT", path, policy)
    equal(t.api.get(path), {"vhost": vhost, "name": "p", **policy})
    t.api.expect(400, "PUT", path, {"definition": {"expires": 60000}})
    t.api.expect(400, "PUT", path, {"pattern": ".*"})
    t.api.expect(204, "DELETE", path)
    t.api.expect(404, "DELETE", path)


@check
def rabbit_hole_bodies_are_lenient(t):
    vhost = t.vhost()
    path = api_path("queues", vhost, "q")
    t.api.expect(201, "PUT", path, {"durable": "true", "auto_delete": "false", "unknown": 1})
    equal((t.api.get(path)["durable"], t.api.get(path)["auto_delete"]), (True, False))
    t.api.expect(201, "PUT", api_path("queues", vhost, "r"), "")
    equal(t.api.get(api_path("queues", vhost, "r"))["durable"], False)
    answer = t.api.expect(400, "PUT", path, "{")
    equal(answer.json, {"error": "bad_request", "reason": "not_json"})
    t.api.expect(400, "PUT", path, {"durable": "perhaps"})
    t.api.expect(405, "POST", "/api/overview", {})


@check
def rabbit_hole_deletes_under_conditions(t):
    vhost = t.vhost()
    queue = t.queue(vhost)
    path = api_path("queues", vhost, queue)
    t.publish(vhost, queue)
    t.api.expect(400, "DELETE", path + "?if-empty=true")
    t.api.expect(204, "DELETE", path + "/contents")
    t.api.expect(204, "DELETE", path + "?if-empty=true")
    exchange = api_path("exchanges", vhost, "x")
    t.api.expect(201, "PUT", exchange, {"type": "fanout"})
    t.api.expect(201, "POST", api_path("bindings", vhost, "e", "x", "q", t.queue(vhost)), {})
    t.api.expect(400, "DELETE", exchange + "?if-unused=true")
    t.api.expect(204, "DELETE", exchange)
