"""What becomes of a task when a process, a worker or a connection is gone while it runs."""

import os
import signal

from billiard.exceptions import WorkerLostError

import jobs
from harness import START_SECONDS, WAIT_SECONDS, Worker, check, equal
from proxy import Proxy


@check
def task_acknowledged_early_is_lost_with_its_process(t):
    journal, gate = t.journal(), t.gate()
    result = t.task("hold").delay(journal.path, gate.path)
    process, redelivered = journal.held()
    equal(redelivered, False)
    os.kill(process, signal.SIGKILL)
    error = result.get(WAIT_SECONDS, propagate=False)
    equal(type(error).__name__, WorkerLostError.__name__)


@check
def task_acknowledged_late_outlives_its_process(t):
    outlives_process(t, "late")


@check
def task_acknowledged_late_outlives_its_worker(t):
    outlives_worker(t, "late")


def outlives_process(t, kind):
    """Kills the pool process under a task: the task is delivered again."""
    journal, gate = t.journal(), t.gate()
    result = t.task("hold", kind).delay(journal.path, gate.path)
    process, redelivered = journal.held()
    equal(redelivered, False)
    os.kill(process, signal.SIGKILL)
    another, redelivered = journal.held()
    equal((redelivered, another == process), (True, False))
    gate.open()
    equal(result.get(WAIT_SECONDS), "through")


def outlives_worker(t, kind):
    """Kills a worker and all its processes under a task: another worker does it."""
    journal, gate = t.journal(), t.gate()
    for name in (kind, f"{kind}-too"):
        t.suite.start(kind, name, 1)
    for name in (kind, f"{kind}-too"):
        t.suite.start(kind, name).ready()
    hold = t.task("hold", kind)
    # One on each worker.
    results = [hold.delay(journal.path, gate.path) for _ in range(2)]
    busy = [journal.held() for _ in range(2)]
    equal([redelivered for _, redelivered in busy], [False, False])
    t.suite.forget(f"{kind}-too")
    gate.open()
    _, redelivered = journal.held()
    equal(redelivered, True)
    gate.open()
    equal([result.get(WAIT_SECONDS) for result in results], ["through"] * 2)


@check
def worker_comes_back_after_a_lost_connection(t):
    proxy = Proxy((jobs.HOST, int(jobs.PORT)))
    t.later(proxy.close)
    # A queue of its own, so that no other worker answers.
    queue = "interop.celery.cut"
    worker = Worker("plain", "cut", t.suite.results, ["--queues", queue], proxy.port)
    t.later(worker.kill)
    worker.ready()
    app = t.suite.app()
    add = app.tasks["add"]
    equal(add.apply_async((1, 2), queue=queue).get(WAIT_SECONDS), 3)
    seen = len(worker.lines)
    proxy.cut()
    worker.says("Connected to amqp", since=seen, seconds=START_SECONDS)
    equal(add.apply_async((3, 4), queue=queue).get(WAIT_SECONDS), 7)
    worker.kill()
    with app.connection_for_write() as connection:
        channel = connection.channel()
        channel.queue_delete(queue)
        channel.exchange_delete(queue)
