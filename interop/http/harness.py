"""What every check uses: queues with something in them, and typed readings of answers."""

from checklist import Skip, check, equal, eventually  # noqa: F401 - for the checks
from management import (  # noqa: F401 - for the checks
    AMQP_PORT, HOST, HTTP_PORT, METRICS_PORT, Api, ManagementTrial, api_path)

UINT32 = range(2**32)
INT64 = range(-(2**63), 2**63)


class Trial(ManagementTrial):
    """One check's dealings with the broker."""

    def queue(self, vhost, **settings):
        """A durable queue with a name of its own."""
        name = self.name("queue")
        self.api.expect(201, "PUT", api_path("queues", vhost, name), {"durable": True, **settings})
        return name

    def publish(self, vhost, queue, count=1):
        """Puts messages of three octets into the queue."""
        message = {"properties": {}, "routing_key": queue, "payload": "abc",
                   "payload_encoding": "string"}
        for _ in range(count):
            answer = self.api.expect(
                200, "POST", api_path("exchanges", vhost, "amq.default", "publish"), message)
            equal(answer.json, {"routed": True})


def reads(record, **types):
    """The fields that are there have these types; a client in a typed language fails otherwise.

    A type is a Python type or a tuple of them, a range of whole numbers, a list with the type of
    its elements, or a dictionary with the types of the fields of an object.
    """
    for field, kind in types.items():
        if field in record and record[field] is not None:
            _is(record[field], kind, field)


def has(record, **types):
    """Like `reads`, and all of the fields have to be there."""
    missing = [field for field in types if field not in record]
    assert not missing, f"no {', '.join(missing)} in {record!r}"
    reads(record, **types)


def _is(value, kind, field):
    if isinstance(kind, range):
        right = isinstance(value, int) and not isinstance(value, bool) and value in kind
    elif isinstance(kind, list):
        right = isinstance(value, list)
        for each in value if right else ():
            _is(each, kind[0], f"{field}[]")
    elif isinstance(kind, dict):
        right = isinstance(value, dict)
        for name, inner in kind.items() if right else ():
            if name in value and value[name] is not None:
                _is(value[name], inner, f"{field}.{name}")
    elif kind is float:
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        right = isinstance(value, kind)
    assert right, f"{field} is {value!r}, which is no {kind!r}"
