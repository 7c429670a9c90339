"""When a task runs: countdown, ETA, expiry, periodic tasks; and which of several runs first."""

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

from celery.exceptions import TaskRevokedError

from harness import WAIT_SECONDS, check, equal

DELAY_SECONDS = 1


@check
def countdown_and_eta_delay_a_task(t):
    now = t.task("now")
    due = time.time() + DELAY_SECONDS
    by_countdown = now.apply_async(countdown=DELAY_SECONDS)
    by_eta = now.apply_async(eta=datetime.fromtimestamp(due, timezone.utc))
    at_once = now.delay()
    assert at_once.get(WAIT_SECONDS) < due, "the task without a delay waited"
    for result in (by_countdown, by_eta):
        at = result.get(WAIT_SECONDS)
        assert at >= due, f"ran {due - at} s too early"


@check
def retry_waits_for_its_countdown(t):
    flaky, began = t.task("flaky"), time.monotonic()
    equal(flaky.delay(failures=1, countdown=DELAY_SECONDS).get(WAIT_SECONDS), 1, "retries")
    assert time.monotonic() - began >= DELAY_SECONDS, "retried too early"


@check
def expired_task_does_not_run(t):
    past = datetime.now(timezone.utc) - timedelta(seconds=1)
    error = t.task("now").apply_async(expires=past).get(WAIT_SECONDS, propagate=False)
    equal(type(error).__name__, TaskRevokedError.__name__)


@check
def tasks_run_in_order_of_priority(t):
    app, journal, gate = t.app("late"), t.journal(), t.gate()
    held = app.tasks["hold"].delay(journal.path, gate.path)
    journal.held()
    note = app.tasks["note"]
    for priority in (0, 3, 9, 5, 9, 10, 11):
        note.apply_async((journal.path, str(priority)), priority=priority)
    gate.open()
    equal(held.get(WAIT_SECONDS), "through")
    # More than the queue's maximum counts as the maximum.
    equal(journal.lines(7), ["10", "11", "9", "9", "5", "3", "0"])


@check
def beat_sends_periodic_tasks(t):
    journal = t.journal()
    t.app()
    schedule = os.path.join(t.suite.folder, "schedule")
    beat = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "celery", "-A", "jobs", "beat",
         "--schedule", schedule, "--pidfile", f"{schedule}.pid"],
        env=os.environ | {"INTEROP_KIND": "plain", "INTEROP_BEAT": journal.path},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
    )

    def end():
        beat.kill()
        beat.wait()

    t.later(end)
    equal(journal.lines(3), ["tick"] * 3)
