"""Quorum queues, and the delayed delivery that Celery builds for them out of 28 queues.

A delay in seconds is written in binary; each bit that is set sends the task through a queue whose
messages die after that many seconds and go on to the next level.
"""

import time

from celery import group

from check_crashes import outlives_process, outlives_worker
from harness import WAIT_SECONDS, check, equal


@check
def quorum_queue_answers_tasks(t):
    add = t.task("add", "quorum")
    equal(group(add.s(number, 1) for number in range(20)).delay().get(WAIT_SECONDS),
          list(range(1, 21)))
    equal(t.task("flaky", "quorum").delay(failures=2).get(WAIT_SECONDS), 2, "retries")


@check
def worker_declares_its_delayed_delivery(t):
    t.app("quorum")
    said = "".join(t.suite.start("quorum").lines)
    assert "delayed delivery" not in said, "the worker complained about delayed delivery"
    with t.suite.app().connection_for_write() as connection:
        channel = connection.channel()
        for level in (0, 1, 27):
            name = f"celery_delayed_{level}"
            channel.exchange_declare(name, "topic", passive=True)
            following = f"celery_delayed_{level - 1}" if level else "celery_delayed_delivery"
            channel.queue_declare(name, durable=True, auto_delete=False, arguments={
                "x-queue-type": "quorum",
                "x-overflow": "reject-publish",
                "x-message-ttl": 1000 * 2**level,
                "x-dead-letter-exchange": following,
                "x-dead-letter-strategy": "at-least-once",
            })


@check
def quorum_countdown_waits_in_the_broker(t):
    now, sent = t.task("now", "quorum"), time.time()
    results = {delay: now.apply_async(countdown=delay) for delay in (1, 2, 3)}
    assert now.delay().get(WAIT_SECONDS) < sent + 1, "the task without a delay waited"
    for delay, result in results.items():
        waited = result.get(WAIT_SECONDS) - sent
        assert delay <= waited < delay + 2, f"delayed by {waited} s instead of {delay}"


@check
def quorum_retry_waits_in_the_broker(t):
    flaky, began = t.task("flaky", "quorum"), time.monotonic()
    equal(flaky.delay(failures=2, countdown=1).get(WAIT_SECONDS), 2, "retries")
    assert time.monotonic() - began >= 2, "retried too early"


@check
def quorum_task_outlives_its_process(t):
    outlives_process(t, "quorum")


@check
def quorum_task_outlives_its_worker(t):
    outlives_worker(t, "quorum")
