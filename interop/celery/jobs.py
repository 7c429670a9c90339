"""The application under test: its tasks, and the settings of each kind of worker.

Imported by the workers, which take their kind from INTEROP_KIND, and by the checks. A task that
has to tell a check something writes a line to the check's journal, a named pipe.
"""

import os
import time

from celery import Celery
from kombu import Queue
from kombu.common import Broadcast

HOST = os.environ.get("AMQP_HOST", "127.0.0.1")
PORT = os.environ.get("AMQP_PORT", "5672")

BROADCAST = "interop.celery.broadcast"
PRIORITY_MAX = 10

# A worker that hears of a revoked task declares a result queue that it never reads. On a broker
# that goes on after the checks these would stay for a day, which is the default.
RESULT_EXPIRES_SECONDS = 120

# Where the file backend of the kind "files" keeps results.
RESULTS = os.environ.get("INTEROP_RESULTS", "/nonexistent")

KINDS = {
    # Nothing but the defaults, for tasks.
    "plain": {},
    # One task at a time, acknowledged when done, the most important first.
    "late": {
        "task_default_queue": "interop.celery.late",
        "task_queues": [
            Queue("interop.celery.late", queue_arguments={"x-max-priority": PRIORITY_MAX}),
            Broadcast(BROADCAST),
        ],
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
    },
    # What Celery's documentation says about quorum queues.
    "quorum": {
        "task_default_queue": "interop.celery.quorum",
        "task_default_queue_type": "quorum",
        "task_default_exchange_type": "topic",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "broker_transport_options": {"confirm_publish": True},
    },
    # A backend that can join chords, which rpc:// cannot.
    "files": {
        "task_default_queue": "interop.celery.files",
        "result_backend": f"file://{RESULTS}",
        "result_chord_retry_interval": 0.1,
    },
}


def note(journal, line):
    """Tells the check something."""
    with open(journal, "w", encoding="utf-8") as pipe:
        pipe.write(f"{line}\n")


def add(x, y):
    """The task of all tutorials."""
    return x + y


def total(numbers):
    """Takes what a group returned."""
    return sum(numbers)


def fail(text):
    """Fails for good."""
    raise ValueError(text)


def now():
    """When the task ran."""
    return time.time()


def flaky(task, failures, countdown=0):
    """Fails so many times, then says at which try it got through."""
    if task.request.retries < failures:
        raise task.retry(countdown=countdown, max_retries=3, exc=OSError("not yet"))
    return task.request.retries


def hold(task, journal, gate):
    """Says that it runs and where, then runs until the check lets it go on."""
    redelivered = bool(task.request.delivery_info["redelivered"])
    note(journal, f"{os.getpid()} {redelivered}")
    with open(gate, "rb", buffering=0) as pipe:
        pipe.read(1)  # one octet for each task that may go on
    return "through"


def make_app(kind, port=PORT):
    """A Celery application with the settings of this kind."""
    app = Celery("interop", broker=f"amqp://guest:guest@{HOST}:{port}//", backend="rpc://")
    app.conf.update(KINDS[kind], result_expires=RESULT_EXPIRES_SECONDS)
    for function in (add, total, fail, now, note):
        app.task(function, name=function.__name__)
    for function in (flaky, hold):
        app.task(function, name=function.__name__, bind=True)
    if "INTEROP_BEAT" in os.environ:
        app.conf.beat_schedule = {"tick": {
            "task": "note",
            "schedule": 0.3,
            "args": (os.environ["INTEROP_BEAT"], "tick"),
            "options": {"ignore_result": True},  # or a queue for them stays behind
        }}
    return app


if "INTEROP_KIND" in os.environ:
    app = make_app(os.environ["INTEROP_KIND"])
