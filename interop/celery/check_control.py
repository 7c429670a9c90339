"""Remote control and events: what one asks the workers, what they say by themselves."""

from celery.exceptions import TaskRevokedError

import jobs
from harness import START_SECONDS, WAIT_SECONDS, check, equal, eventually

REPLY_SECONDS = 5  # for remote control: replies are gathered until the last one has come


def inspect(t, kind="plain"):
    """Asks the worker of this kind alone."""
    app = t.app(kind)
    node = t.suite.start(kind).node
    asked = app.control.inspect(destination=[node], timeout=REPLY_SECONDS)
    return lambda method, *arguments: getattr(asked, method)(*arguments)[node]


@check
def all_workers_answer_a_ping(t):
    kinds = ("plain", "late")
    for kind in kinds:
        t.app(kind)
    nodes = [t.suite.start(kind).node for kind in kinds]
    replies = t.app().control.ping(destination=nodes, timeout=REPLY_SECONDS)
    equal(sorted(next(iter(reply.items())) for reply in replies),
          [(node, {"ok": "pong"}) for node in sorted(nodes)])


@check
def ping_finds_workers_by_pattern(t):
    t.app()
    replies = t.app().control.ping(pattern="pl*@interop", matcher="glob", limit=1,
                                   timeout=REPLY_SECONDS)
    equal(replies, [{"plain@interop": {"ok": "pong"}}])


@check
def inspect_tells_what_a_worker_is(t):
    ask = inspect(t)
    stats = ask("stats")
    equal((stats["broker"]["transport"], stats["pool"]["max-concurrency"]), ("amqp", 3))
    assert {"add", "hold"} <= set(ask("registered")), "registered tasks"
    queue, = ask("active_queues")
    equal((queue["name"], queue["exchange"]["type"], queue["routing_key"]),
          ("celery", "direct", "celery"))


@check
def inspect_tells_what_a_worker_does(t):
    ask, journal, gate = inspect(t), t.journal(), t.gate()
    app = t.app()
    held = app.tasks["hold"].delay(journal.path, gate.path)
    process, _ = journal.held()
    late = app.tasks["now"].apply_async(countdown=600)
    equal([(task["id"], task["worker_pid"]) for task in ask("active")], [(held.id, process)])
    eventually(lambda: late.id in [task["request"]["id"] for task in ask("scheduled")],
               "the scheduled task")
    found = ask("query_task", held.id)
    equal(found[held.id][0], "active")
    late.revoke()
    gate.open()
    equal(held.get(WAIT_SECONDS), "through")


@check
def revoked_task_does_not_run(t):
    now = t.task("now")
    result = now.apply_async(countdown=2)
    t.app().control.revoke(result.id, destination=[t.suite.start("plain").node], reply=True)
    error = result.get(WAIT_SECONDS, propagate=False)
    equal(type(error).__name__, TaskRevokedError.__name__)


@check
def revoked_task_is_terminated(t):
    journal, gate = t.journal(), t.gate()
    result = t.task("hold").delay(journal.path, gate.path)
    journal.held()
    result.revoke(terminate=True, signal="SIGKILL")
    error = result.get(WAIT_SECONDS, propagate=False)
    equal(type(error).__name__, TaskRevokedError.__name__)


@check
def purge_empties_the_queues(t):
    app, journal, gate = t.app("late"), t.journal(), t.gate()
    held = app.tasks["hold"].delay(journal.path, gate.path)
    journal.held()
    for _ in range(5):
        app.tasks["now"].delay()
    equal(app.control.purge(), 5, "tasks thrown away")
    gate.open()
    equal(held.get(WAIT_SECONDS), "through")


@check
def broadcast_reaches_every_worker(t):
    journal = t.journal()
    workers = [t.suite.start("late", name, 1) for name in ("late", "late-too")]
    for worker in workers:
        worker.ready()
    app = t.app("late")
    app.tasks["note"].apply_async((journal.path, "heard"), queue=jobs.BROADCAST)
    equal(journal.lines(2), ["heard", "heard"])


@check
def workers_send_events(t):
    app = t.app()
    node = t.suite.start("plain").node
    seen = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": seen.append})
        wakeup = receiver.itercapture(limit=None, timeout=WAIT_SECONDS, wakeup=False)
        next(wakeup)  # it listens now
        app.control.enable_events(destination=[node], reply=True)
        t.later(lambda: app.control.disable_events(destination=[node], reply=True))
        result = app.tasks["add"].delay(1, 2)
        equal(result.get(WAIT_SECONDS), 3)

        def types():
            return [event["type"] for event in seen if event.get("uuid") == result.id]

        for _ in wakeup:
            if "task-succeeded" in types():
                break
        equal(types(), ["task-received", "task-started", "task-succeeded"])


@check
def pool_grows_and_shrinks_on_demand(t):
    ask, app = inspect(t), t.app()
    node = [t.suite.start("plain").node]
    for change, size in ((app.control.pool_grow, 4), (app.control.pool_shrink, 3)):
        change(1, destination=node, reply=True)
        eventually(lambda size=size: len(ask("stats")["pool"]["processes"]) == size,
                   f"{size} processes")


@check
def worker_shuts_down_when_told(t):
    worker = t.suite.start("plain", "short-lived", 1).ready()
    t.later(lambda: t.suite.forget("short-lived"))
    worker.says("ready", seconds=START_SECONDS)
    t.suite.app().control.shutdown(destination=[worker.node])
    worker.ends()
