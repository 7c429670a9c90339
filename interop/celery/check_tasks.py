"""Tasks and what becomes of them: results, errors, retries, time limits, the result queue."""

from amqp.exceptions import NotFound, PreconditionFailed
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from kombu import Exchange

import jobs
from harness import WAIT_SECONDS, check, equal, eventually

EXPIRES_SECONDS = 0.5  # of a result queue
TASKS = 200  # sent at once: more than the worker prefetches and than fits in a few frames


@check
def results_come_back_over_rpc(t):
    add = t.task("add")
    equal(add.delay(2, 3).get(WAIT_SECONDS), 5)
    equal(add.apply_async(("a", "b")).get(WAIT_SECONDS), "ab")


@check
def many_tasks_are_all_answered(t):
    add = t.task("add")
    results = [add.delay(number, 1) for number in range(TASKS)]
    equal([result.get(WAIT_SECONDS) for result in results], list(range(1, TASKS + 1)))


@check
def large_arguments_and_results_pass(t):
    text = "ü" * 1_000_000
    equal(t.task("add").delay(text, "!").get(WAIT_SECONDS), text + "!")


@check
def errors_come_back_as_exceptions(t):
    result = t.task("fail").delay("of course")
    equal(repr(result.get(WAIT_SECONDS, propagate=False)), "ValueError('of course')")
    equal((result.state, result.failed()), ("FAILURE", True))


@check
def retried_task_succeeds_in_the_end(t):
    equal(t.task("flaky").delay(failures=2).get(WAIT_SECONDS), 2, "retries")


@check
def retried_task_gives_up(t):
    error = t.task("flaky").delay(failures=9).get(WAIT_SECONDS, propagate=False)
    equal(repr(error), "OSError('not yet')")


@check
def time_limits_end_a_task(t):
    hold, journal, gate = t.task("hold"), t.journal(), t.gate()
    arguments = (journal.path, gate.path)
    soft = hold.apply_async(arguments, soft_time_limit=1)
    hard = hold.apply_async(arguments, time_limit=1)
    equal(type(soft.get(WAIT_SECONDS, propagate=False)).__name__, SoftTimeLimitExceeded.__name__)
    equal(type(hard.get(WAIT_SECONDS, propagate=False)).__name__, TimeLimitExceeded.__name__)


@check
def tasks_go_to_the_queue_they_are_sent_to(t):
    journal, app = t.journal(), t.app()
    queue = "interop.celery.elsewhere"
    node = [t.suite.start("plain").node]
    app.control.add_consumer(queue, destination=node, reply=True)
    t.later(lambda: app.control.cancel_consumer(queue, destination=node, reply=True))
    app.tasks["note"].apply_async((journal.path, "here"), queue=queue)
    equal(journal.line(), "here")
    equal(app.control.cancel_consumer(queue, destination=node, reply=True)[0][node[0]]["ok"],
          f"no longer consuming from {queue}")
    with app.connection_for_write() as connection:
        channel = connection.channel()
        channel.queue_delete(queue)
        channel.exchange_delete(queue)


@check
def result_queue_expires_when_nobody_waits(t):
    app = jobs.make_app("plain")
    t.later(app.close)
    app.conf.result_expires = EXPIRES_SECONDS
    with app.connection_for_write() as connection:
        channel = connection.channel()
        results = app.backend.binding(channel)
        results.queue_declare()
        # Looking at a queue is a use of it. Whether its bindings are gone can be asked without.
        witness = Exchange(f"{results.name}.witness", "fanout", durable=False)(channel)
        witness.declare()
        results.bind_to(witness.name)

        def is_gone():
            try:
                witness(connection.channel()).delete(if_unused=True)
            except PreconditionFailed:
                return False
            return True

        eventually(is_gone, "the end of the queue")
        missing = app.backend.binding(connection.channel())
        try:
            missing.queue_declare(passive=True)
        except NotFound:
            return
        raise AssertionError("the queue is still there")
