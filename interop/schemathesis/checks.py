"""Has schemathesis make up requests from `/api/openapi.json`, as users who may more and more.

Whatever is asked, no answer may be an internal error, have a status or a form that the document
does not name, or be given to somebody who may not have it. Each kind of user is one check, and each
operation that is answered wrongly is a line of its own, with a request that shows it.

What the broker accepts is not checked: as RabbitMQ does, it ignores what it does not know.
Everything on the broker may be changed and deleted, so it has to be one of our own.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from management import HOST, HTTP_PORT, Api, api_path

BINARY = os.environ.get("SCHEMATHESIS", "schemathesis")
SECONDS = 45  # for one kind of user
EXAMPLES = 12  # made-up requests for one operation
PASSWORD = "secret"
USERS = (None, "management", "monitoring", "administrator")  # the tag; none is nobody
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance", "unsupported_method")
EX_FAILURES = 1  # how it ends after failures; we look at them ourselves
URL = f"http://{HOST}:{HTTP_PORT}"


def arguments(user, report):
    """The command line for one kind of user."""
    login = ["--auth", f"{user}:{PASSWORD}"] if user else []
    return [BINARY, "run", f"{URL}/api/openapi.json",
            "--checks", ",".join(CHECKS), *login, "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(EXAMPLES), "--max-time", str(SECONDS), "--continue-on-failure",
            "--generation-deterministic", "--request-timeout", "10", "--warnings", "off",
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


def shown(message, interaction):
    """What is wrong and the request that shows it, on one line."""
    text = " ".join(message.split())[:200]
    if not interaction:
        return text
    request, response = interaction["request"], interaction.get("response") or {}
    body = (request.get("body") or {}).get("$base64", "")
    return (f"{text}: {request['method']} {request['uri']} "
            f"{base64.b64decode(body)[:300]!r} answered {response.get('status_code')}")


def check(tag):
    """Runs schemathesis as a user with this tag. Returns whether all was well."""
    name = f"as {tag or 'nobody'}"
    api = Api()
    user = None
    if tag:
        user = f"schemathesis.{tag}"
        api.expect((201, 204), "PUT", api_path("users", user), {"password": PASSWORD, "tags": tag})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        api.expect((201, 204), "PUT", api_path("permissions", "/", user), everything)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.ndjson"
        done = subprocess.run(arguments(user, report), capture_output=True, text=True, check=False)
        print(done.stdout, file=sys.stderr)
        found = failures(report) if report.exists() else {}
    for (operation, title), what in found.items():
        print(f"FAIL {name}, {operation}: {title}: {shown(*what)}", flush=True)
    if not found and done.returncode not in (0, EX_FAILURES):
        found = {"": ""}
        said = " ".join(f"{done.stdout[-300:]} {done.stderr[-300:]}".split())
        print(f"FAIL {name}: exit code {done.returncode}: {said}", flush=True)
    if not found:
        print(f"PASS {name}", flush=True)
    return not found


def main():
    """Runs the checks, or those whose name contains one of the arguments."""
    wanted = sys.argv[1:]
    tags = [tag for tag in USERS
            if not wanted or any(part in f"as {tag or 'nobody'}" for part in wanted)]
    if Api().get("/api/overview")["product_name"] == "RabbitMQ":
        for tag in tags:
            print(f"SKIP as {tag or 'nobody'}: RabbitMQ has no OpenAPI document")
        return 0
    return 0 if [check(tag) for tag in tags].count(False) == 0 and tags else 1


if __name__ == "__main__":
    sys.exit(main())
