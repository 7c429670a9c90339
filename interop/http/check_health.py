"""Health checks of Spring Boot, NServiceBus, MassTransit, EasyNetQ, load balancers, Kubernetes."""

from harness import AMQP_PORT, HOST, HTTP_PORT, Api, api_path, check, equal


@check
def health_of_alarms_and_listeners(t):
    for path in ("alarms", "local-alarms", "node-is-quorum-critical", "virtual-hosts",
                 f"port-listener/{AMQP_PORT}", f"port-listener/{HTTP_PORT}",
                 "protocol-listener/amqp091", "protocol-listener/http",
                 "certificate-expiration/1/weeks"):
        equal(t.api.get(f"/api/health/checks/{path}")["status"], "ok", path)


@check
def health_of_a_port_that_is_not_listened_on(t):
    answer = t.api.expect(503, "GET", "/api/health/checks/port-listener/1").json
    equal((answer["status"], answer["reason"], answer["missing"]),
          ("failed", "No active listener", 1))
    assert AMQP_PORT in answer["ports"], answer
    answer = t.api.expect(503, "GET", "/api/health/checks/protocol-listener/mqtt").json
    equal((answer["status"], answer["reason"]), ("failed", "No active listener"))


@check
def health_of_newer_kinds(t):
    t.since((4, 1), "further health checks")
    for path in ("is-in-service", "below-node-connection-limit", "ready-to-serve-clients"):
        equal(t.api.get(f"/api/health/checks/{path}")["status"], "ok", path)


@check
def aliveness_test(t):
    equal(t.api.get("/api/aliveness-test/%2F"), {"status": "ok"})
    t.api.expect(404, "GET", api_path("aliveness-test", t.name("missing")))


@check
def spring_boot_reads_the_version_over_amqp(t):
    connection = t.connect()
    properties = connection._impl.server_properties  # pylint: disable=protected-access
    equal(properties["version"], t.api.get("/api/overview")["rabbitmq_version"])
    assert properties["product"], properties


@check
def nservicebus_asks_for_the_version_and_queue_types(t):
    overview = t.api.get("/api/overview")
    version = tuple(int(part) for part in overview["rabbitmq_version"].split(".")[:2])
    assert version >= (3, 10), overview["rabbitmq_version"]
    flags = {each["name"]: each["state"] for each in t.api.get("/api/feature-flags")}
    equal(flags["quorum_queue"], "enabled")
    equal(flags["stream_queue"], "enabled")


@check
def masstransit_and_easynetq_list_what_there_is(t):
    vhost = t.vhost()
    for kind in ("queues", "exchanges", "bindings", "connections", "channels", "consumers",
                 "vhosts", "users", "permissions", "policies", "parameters"):
        assert isinstance(t.api.get(f"/api/{kind}"), list), kind
    for kind in ("queues", "exchanges", "bindings", "consumers", "policies"):
        assert isinstance(t.api.get(api_path(kind, vhost)), list), kind
        t.api.expect(404, "GET", api_path(kind, t.name("missing")))


@check
def kubernetes_operator_sets_up_a_user_and_a_vhost(t):
    t.api.expect((200, 204), "GET", "/api/cluster-name")
    t.api.expect(200, "GET", "/api/definitions")
    t.api.expect(200, "GET", "/api/healthchecks/node" if t.version() < (4, 0)
                 else "/api/health/checks/local-alarms")


@check
def wrong_credentials_are_told_from_none(t):
    answer = Api("guest", "wrong").expect(401, "GET", "/api/overview")
    assert answer.headers["WWW-Authenticate"].lower().startswith("basic realm="), answer.headers
    equal(answer.json["reason"], "Login failed")
    answer = Api(None).expect(401, "GET", "/api/overview")
    assert answer.headers["WWW-Authenticate"].lower().startswith("basic realm="), answer.headers


@check
def other_origins_are_not_let_in(t):
    answer = t.api.expect(200, "GET", "/api/overview", headers={"Origin": "http://evil.example"})
    equal(answer.headers["Access-Control-Allow-Origin"], None)


@check
def server_speaks_plain_http_1_0(t):
    """Old load balancers do."""
    import socket  # pylint: disable=import-outside-toplevel
    with socket.create_connection((HOST, HTTP_PORT), timeout=10) as peer:
        token = t.api.credentials["Authorization"]
        peer.sendall(f"GET /api/whoami HTTP/1.0\r\nAuthorization: {token}\r\n\r\n".encode())
        said = b""
        while part := peer.recv(4096):
            said += part
    assert b" 200 OK\r\n" in said.split(b"\n", 1)[0] + b"\n", said
