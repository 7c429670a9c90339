"""What the checks of the management API share: requests, names that are deleted, AMQP connections.

Requests are made with the standard library; pika opens the connections that the API is asked about.
"""

import base64
import http.client
import json
import os
import uuid
from urllib.parse import quote

import pika
from checklist import WAIT_SECONDS, Skip, equal

HOST = os.environ.get("AMQP_HOST", "127.0.0.1")
AMQP_PORT = int(os.environ.get("AMQP_PORT", "5672"))
HTTP_PORT = int(os.environ.get("HTTP_PORT", "15672"))
METRICS_PORT = int(os.environ.get("METRICS_PORT", "15692"))


class Answer:
    """The answer to one request."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        """The body, which has to be JSON."""
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Api:
    """The management API as one user."""

    def __init__(self, user="guest", password="guest", port=HTTP_PORT):
        self.port = port
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.credentials = {"Authorization": f"Basic {token}"} if user else {}

    def request(self, method, path, body=None, headers=None):
        """Sends one request on a connection of its own."""
        sent = {**self.credentials, **(headers or {})}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(HOST, self.port, timeout=WAIT_SECONDS)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path):
        """What is at the path; fails unless it is there."""
        answer = self.request("GET", path)
        equal(answer.status, 200, f"GET {path} ({answer.body[:200]!r})")
        return answer.json

    def expect(self, status, method, path, body=None, headers=None):
        """The answer, which has to have this status, or one of these."""
        answer = self.request(method, path, body, headers)
        wanted = status if isinstance(status, tuple) else (status,)
        if answer.status not in wanted:
            raise AssertionError(f"{method} {path}: expected {status}, got {answer!r}")
        return answer


def api_path(*parts):
    """`/api/...` with each part percent-encoded."""
    return "/api/" + "/".join(quote(part, safe="") for part in parts)


class ManagementTrial:
    """One check's dealings with the broker. Leaves nothing behind."""

    def __init__(self):
        self._closers = []
        self.api = Api()

    def later(self, close):
        """Does this when the check is over."""
        self._closers.append(close)

    def close(self):
        """Undoes everything, the latest first."""
        while self._closers:
            self._closers.pop()()

    @staticmethod
    def name(what):
        """A name that no other check uses."""
        return f"interop.{what}.{uuid.uuid4().hex[:12]}"

    def delete_later(self, *parts):
        """Deletes what is at the path when the check is over, if it is still there."""
        path = api_path(*parts)
        self.later(lambda: self.api.expect((204, 404), "DELETE", path))

    def vhost(self):
        """A new virtual host in which guest may do everything."""
        name = self.name("vhost")
        self.delete_later("vhosts", name)
        self.api.expect(201, "PUT", api_path("vhosts", name), {})
        return name

    def user(self, tags="", password="secret", vhosts=()):
        """A new user who may do everything in these virtual hosts."""
        name = self.name("user")
        self.delete_later("users", name)
        self.api.expect(201, "PUT", api_path("users", name), {"password": password, "tags": tags})
        for vhost in vhosts:
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            self.api.expect(201, "PUT", api_path("permissions", vhost, name), everything)
        return name

    def connect(self, vhost="/", user="guest", password="guest", **options):
        """An AMQP connection, closed at the end."""
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            host=HOST, port=AMQP_PORT, virtual_host=vhost,
            credentials=pika.PlainCredentials(user, password),
            blocked_connection_timeout=WAIT_SECONDS, **options))

        def close():
            if connection.is_open:
                connection.close()

        self.later(close)
        return connection

    def version(self):
        """The RabbitMQ version that the broker says it is, as numbers."""
        text = self.api.get("/api/overview")["rabbitmq_version"]
        return tuple(int(part) for part in text.split("-")[0].split("+")[0].split(".")[:2])

    def since(self, version, what):
        """Skips the check on a RabbitMQ that has not got this yet."""
        if self.version() < version:
            raise Skip(f"needs {what}, in RabbitMQ since {version[0]}.{version[1]}")
