"""Has schemathesis make up requests from `/api/openapi.json`, as users who may more and more.

Whatever is asked, no answer may be an internal error, have a status or a form that the document
does not name, or be given to somebody who may not have it. Each kind of user is one check, and each
operation that is answered wrongly is a line of its own, with a request that shows it.

What the broker accepts is not checked: as RabbitMQ does, it ignores what it does not know.
Everything on the broker may be changed and deleted, so it has to be one of our own.
"""

import base64
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from checklist import eventually
from management import HOST, HTTP_PORT, Api, ManagementTrial, api_path

BINARY = os.environ.get("SCHEMATHESIS", "schemathesis")
SECONDS = 40  # for one kind of user
EXAMPLES = 12  # made-up requests for one operation
PASSWORD = "secret"
USERS = (None, "management", "monitoring", "administrator")  # the tag; none is nobody
THERE = "schemathesis"  # what everything is called that the last check reads
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance", "unsupported_method")
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
EX_FAILURES = 1  # how it ends after failures; we look at them ourselves
URL = f"http://{HOST}:{HTTP_PORT}"


def arguments(user, report, config=None):
    """The command line for one kind of user."""
    login = ["--auth", f"{user}:{PASSWORD}"] if user else []
    known = ["--config-file", str(config)] if config else []
    reading = ["--include-method", "GET"] if config else []
    return [BINARY, *known, "run", *reading, f"{URL}/api/openapi.json",
            "--checks", ",".join(CHECKS), *login, "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(EXAMPLES), "--max-time", str(SECONDS), "--continue-on-failure",
            "--generation-deterministic", "--request-timeout", "10", "--warnings", "off",
            # Made-up logins are refused ever more slowly, as they should be.
            "--generation-with-security-parameters", "false",
            "--no-color", "--report", "ndjson", "--report-ndjson-path", str(report)]


def failures(report):
    """The first request and answer of each kind of failure of each operation."""
    seen = {}
    for line in report.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        recorder = event.get("ScenarioFinished", {}).get("recorder", {})
        for case, checks in recorder.get("checks", {}).items():
            for each in checks:
                if not each.get("failure_info"):
                    continue
                failure = each["failure_info"]["failure"]
                operation = failure.get("operation", recorder["label"])
                interaction = recorder["interactions"].get(case)
                if not is_failed_health_check(operation, failure, interaction):
                    key = operation, failure["title"]
                    seen.setdefault(key, (failure["message"], interaction))
    return seen


def is_failed_health_check(operation, failure, interaction):
    """A health check that fails answers 503, as it should."""
    status = ((interaction or {}).get("response") or {}).get("status_code")
    return (failure["type"], status) == ("ServerError", 503) and "/health/checks/" in operation


def unread(report):
    """Operations that reading found nothing at, so that the form of their answers is unknown."""
    status = {}
    for line in report.read_text(encoding="utf-8").splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for each in recorder.get("interactions", {}).values():
            answers = status.setdefault(recorder["label"], set())
            answers.add((each.get("response") or {}).get("status_code"))
    return {(label, "never answers 200"): (str(answers), None)
            for label, answers in status.items() if 200 not in answers}


def shown(message, interaction):
    """What is wrong and the request that shows it, on one line."""
    text = " ".join(message.split())[:200]
    if not interaction:
        return text
    request, response = interaction["request"], interaction.get("response") or {}
    body = (request.get("body") or {}).get("$base64", "")
    return (f"{text}: {request['method']} {request['uri']} "
            f"{base64.b64decode(body)[:300]!r} answered {response.get('status_code')}")


def check(name, user, config=None):
    """Runs schemathesis as this user. Returns whether all was well."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.ndjson"
        done = subprocess.run(arguments(user, report, config), capture_output=True, text=True,
                              check=False)
        print(done.stdout, file=sys.stderr)
        found = failures(report) if report.exists() else {}
        if config:
            found |= unread(report)
    for (operation, title), what in found.items():
        print(f"FAIL {name}, {operation}: {title}: {shown(*what)}", flush=True)
    if not found and done.returncode not in (0, EX_FAILURES):
        found = {"": ""}
        said = " ".join(f"{done.stdout[-300:]} {done.stderr[-300:]}".split())
        print(f"FAIL {name}: exit code {done.returncode}: {said}", flush=True)
    if not found:
        print(f"PASS {name}", flush=True)
    return not found


def with_tag(tag):
    """Made-up names, as a user with this tag who may do everything in the virtual host `/`."""
    user = tag and f"{THERE}.{tag}"
    if tag:
        make(("users", user), {"password": PASSWORD, "tags": tag})
        make(("permissions", "/", user), EVERYTHING)
    return check(f"as {tag or 'nobody'}", user)


def make(parts, body, method="PUT"):
    """Makes something as guest."""
    Api().expect((200, 201, 204), method, api_path(*parts), body)


def reading_what_is_there():
    """Everything of which there are many is there and called the same; only reading."""
    make(("users", THERE), {"password": PASSWORD, "tags": "administrator"})
    make(("vhosts", THERE), {"description": "for reading"})
    make(("permissions", THERE, THERE), EVERYTHING)
    make(("topic-permissions", THERE, THERE), {"exchange": THERE, "write": "", "read": ""})
    make(("user-limits", THERE, "max-channels"), {"value": 100})
    make(("vhost-limits", THERE, "max-queues"), {"value": 100})
    make(("global-parameters", THERE), {"value": {"a": 1}})
    for kind in ("policies", "operator-policies"):
        make((kind, THERE, THERE), {"pattern": ".", "definition": {"max-length": 9}})
    make(("exchanges", THERE, THERE), {"type": "topic", "durable": True})
    make(("queues", THERE, THERE), {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    make(("queues", THERE, "classic"), {"arguments": {"x-max-priority": 5}})
    make(("bindings", THERE, "e", THERE, "q", THERE), {}, "POST")
    make(("bindings", THERE, "e", THERE, "e", THERE), {}, "POST")
    make(("bindings", THERE, "e", THERE, "q", "classic"), {"arguments": {"k": [1, "a"]}}, "POST")
    trial = ManagementTrial()
    connection = trial.connect(THERE, THERE, PASSWORD)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish(THERE, "", b"abc")
    channel.basic_consume(THERE, lambda *_: None)
    api = Api()
    eventually(lambda: api.get("/api/consumers"), "the consumer to be listed")
    name = api.get(api_path("vhosts", THERE, "connections"))[0]["name"]
    overview = api.get("/api/overview")
    known = {"connection": name, "channel": f"{name} (1)", "node": overview["node"],
             "component": "operator_policy", "properties": "~", "within": "1", "unit": "weeks",
             "pattern": ".*", "port": str(HTTP_PORT), "protocols": "http", "in": THERE,
             "family": "queue_coarse_metrics"}
    document = json.dumps(api.get("/api/openapi.json")["paths"])
    names = set(re.findall(r"\{(\w+)\}", document))
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write("[parameters]\n")
        for each in sorted(names):
            config.write(f"{json.dumps('path.' + each)} = {json.dumps(known.get(each, THERE))}\n")
        config.flush()
        well = check("reading what is there", THERE, config.name)
    trial.close()
    return well


def main():
    """Runs the checks, or those whose name contains one of the arguments."""
    wanted = sys.argv[1:]
    runs = {f"as {tag or 'nobody'}": functools.partial(with_tag, tag) for tag in USERS}
    runs = {"reading what is there": reading_what_is_there, **runs}
    chosen = {name: run for name, run in runs.items()
              if not wanted or any(part in name for part in wanted)}
    if Api().get("/api/overview")["product_name"] == "RabbitMQ":
        for name in chosen:
            print(f"SKIP {name}: RabbitMQ has no OpenAPI document")
        return 0
    return 0 if chosen and all([run() for run in chosen.values()]) else 1


if __name__ == "__main__":
    sys.exit(main())
