"""Runs rabbitmqadmin and reads its tables."""

import json
import os
import subprocess

from checklist import (  # noqa: F401 - for the checks
    CHECK_SECONDS, Skip, check, equal, eventually)
from management import (  # noqa: F401 - for the checks
    AMQP_PORT, HOST, HTTP_PORT, ManagementTrial, api_path)

BINARY = os.environ.get("RABBITMQADMIN", "rabbitmqadmin")
EX_DATAERR = 65  # how the tool ends after an answer that it does not like
EX_UNAVAILABLE = 69  # how it ends after a health check that failed


def run(*arguments, vhost=None, stdin=None, user="guest", password="guest"):
    """Runs the tool as this user; its exit code, output and complaints."""
    command = [BINARY, "--host", HOST, "--port", str(HTTP_PORT), "--username", user,
               "--password", password, "--table-style", "ascii"]
    if vhost is not None:
        command += ["--vhost", vhost]
    environment = {"HOME": os.devnull, "PATH": os.environ["PATH"]}  # no configuration of its own
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True,
                          env=environment, timeout=CHECK_SECONDS, check=False)


def table(text):
    """The rows of a table with lines between them, as dictionaries.

    A cell that holds a list is printed on several lines, and its last one is empty.
    """
    rows, row = [], None
    for line in text.splitlines():
        if line.startswith("+"):
            row = None
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line[1:-1].split("|")]
            if row is None:
                row = cells
                rows.append(row)
            else:
                row[:] = [f"{above}\n{cell}".strip() for above, cell in zip(row, cells)]
    if len(rows) > 1 and len(rows[0]) < len(rows[1]):
        del rows[0]  # a title
    return [dict(zip(rows[0], row)) for row in rows[1:]] if rows else []


class Trial(ManagementTrial):
    """One check with rabbitmqadmin."""

    @staticmethod
    def ok(*arguments, **options):
        """What the tool prints; it has to succeed."""
        done = run(*arguments, **options)
        said = f"{done.stderr}{done.stdout}"[-400:]
        equal(done.returncode, 0, f"exit code of {' '.join(arguments)} ({said!r})")
        return done.stdout

    def rows(self, *arguments, **options):
        """The rows of the table that the tool prints."""
        return table(self.ok(*arguments, **options))

    def row(self, column, value, *arguments, **options):
        """The one row with this value in this column."""
        rows = self.rows(*arguments, **options)
        found = [row for row in rows if row[column] == value]
        equal(len(found), 1, f"rows with {column} {value!r} in {rows!r}")
        return found[0]

    def values(self, *arguments, **options):
        """The table of keys and values that the tool prints."""
        return {row["key"]: row["value"] for row in self.rows(*arguments, **options)}

    @staticmethod
    def refused(text, *arguments, code=EX_DATAERR, **options):
        """The tool has to fail because of the broker's answer, and to say this."""
        done = run(*arguments, **options)
        equal(done.returncode, code, f"exit code of {' '.join(arguments)}")
        said = f"{done.stderr}{done.stdout}"
        assert text in said, f"expected {text!r} in {said!r}"

    def declare_queue(self, vhost, kind="classic", **arguments):
        """A queue with a name of its own."""
        name = self.name(kind)
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        extra = ["--arguments", json.dumps(arguments)] if arguments else []
        self.ok("queues", "declare", "--name", name, "--type", kind, *extra, vhost=vhost)
        return name

    def node(self):
        """The name of the node."""
        return self.api.get("/api/overview")["node"]
