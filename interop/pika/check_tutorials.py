"""The tutorial programs, run as a new user runs them: processes that talk through the broker."""

from harness import check, equal


def listening(t, path, *arguments):
    """A program that has told us it is ready."""
    program = t.program(path, *arguments)
    program.prints("waiting")
    return program


def run(t, path, *arguments, expect):
    """A program that prints these lines and ends."""
    program = t.program(path, *arguments)
    program.prints(*expect)
    program.ends()


@check
def tutorial_hello_world(t):
    t.remove_later(queue_name="tutorial.hello")
    run(t, "hello_send.py", expect=["sent Hello, warren!"])
    receiver = listening(t, "hello_receive.py")
    receiver.prints("received Hello, warren!")


@check
def tutorial_work_queues(t):
    t.remove_later(queue_name="tutorial.tasks")
    workers = [listening(t, "tasks_worker.py") for _ in range(2)]
    tasks = ["one", "two"]
    run(t, "tasks_send.py", *tasks, expect=[f"sent {task}" for task in tasks])
    equal(sorted(worker.line() for worker in workers), ["done one", "done two"])


@check
def tutorial_publish_subscribe(t):
    t.remove_later(exchange="tutorial.logs")
    run(t, "logs_send.py", "too early", expect=["sent too early"])
    receivers = [listening(t, "logs_receive.py") for _ in range(2)]
    run(t, "logs_send.py", "a", "b", expect=["sent a", "sent b"])
    for receiver in receivers:
        receiver.prints("received a", "received b")


@check
def tutorial_routing(t):
    t.remove_later(exchange="tutorial.severities")
    errors = listening(t, "routing_receive.py", "error")
    everything = listening(t, "routing_receive.py", "info", "error")
    for severity, line in (("info", "fine"), ("error", "broken")):
        run(t, "routing_send.py", severity, line, expect=[f"sent {severity}: {line}"])
    errors.prints("received error: broken")
    everything.prints("received info: fine", "received error: broken")


@check
def tutorial_topics(t):
    t.remove_later(exchange="tutorial.topics")
    kernel = listening(t, "topics_receive.py", "kernel.*")
    critical = listening(t, "topics_receive.py", "*.critical", "#.end")
    for topic in ("kernel.info", "mail.critical", "kernel.critical", "the.very.end"):
        run(t, "topics_send.py", topic, "line", expect=[f"sent {topic}: line"])
    kernel.prints("received kernel.info: line", "received kernel.critical: line")
    critical.prints(*(f"received {t}: line" for t in ("mail.critical", "kernel.critical")))
    critical.prints("received the.very.end: line")


@check
def tutorial_rpc(t):
    t.remove_later(queue_name="tutorial.rpc")
    server = listening(t, "rpc_server.py")
    run(t, "rpc_client.py", "10", "30", expect=["fibonacci(10) = 55", "fibonacci(30) = 832040"])
    server.prints("answered 10", "answered 30")


@check
def tutorial_publisher_confirms(t):
    lines = ["confirmed a", "confirmed b", "returned lost?"]
    run(t, "confirms_send.py", "a", "b", expect=lines)


@check
def tutorial_retries_with_backoff(t):
    for name in ("tutorial.retries", "tutorial.retries.100", "tutorial.retries.300"):
        t.remove_later(queue_name=name)
    worker = listening(t, "retries_worker.py")
    run(t, "retries_send.py", "fine", "broken", expect=["sent fine", "sent broken"])
    worker.prints("done fine", "broken failed, again in 100 ms", "broken failed, again in 300 ms",
                  "gave up broken")


@check
def tutorial_priorities(t):
    t.remove_later(queue_name="tutorial.priorities")
    tasks = ["1:sweep", "9:fire", "5:cook", "9:flood"]
    run(t, "priorities_send.py", *tasks, expect=[f"sent {task}" for task in tasks])
    listening(t, "priorities_worker.py").prints(*(
        f"done {task}" for task in ("9:fire", "9:flood", "5:cook", "1:sweep")))


@check
def tutorial_quorum_queue_with_poison(t):
    for name in ("tutorial.quorum", "tutorial.quorum.dead"):
        t.remove_later(queue_name=name)
    undertaker = listening(t, "quorum_dead.py")
    worker = listening(t, "quorum_worker.py")
    run(t, "quorum_send.py", "one", "poison", "two",
        expect=["sent one", "sent poison", "sent two"])
    undertaker.prints("dead poison: delivery_limit")
    equal([worker.line() for _ in range(5)].count("failed poison"), 3)


@check
def tutorial_delayed_messages(t):
    # Declared here first, to skip where the type is missing.
    t.extra_exchange("x-delayed-message", arguments={"x-delayed-type": "direct"})
    t.remove_later(exchange="tutorial.delayed")
    receiver = listening(t, "delayed_receive.py")
    run(t, "delayed_send.py", "600:last", "0:first", "300:then",
        expect=["sent last", "sent first", "sent then"])
    receiver.prints("received first", "received then", "received last")
