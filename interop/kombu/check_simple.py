"""SimpleQueue and SimpleBuffer: queues as in Python's standard library."""

from queue import Empty

from harness import WAIT_SECONDS, check, equal


def simple(t, **options):
    """A SimpleQueue whose queue and exchange are deleted at the end."""
    name = t.queue().name
    t.connection().channel().queue_delete(name)
    t.delete_later(lambda channel: channel.exchange_delete(name))
    queue = t.connection().SimpleQueue(name, **options)
    t.later(queue.close)
    return queue


@check
def simple_queue_puts_and_gets(t):
    queue = simple(t)
    for body in ({"number": 1}, [2], "three"):
        queue.put(body)
    for body in ({"number": 1}, [2], "three"):
        message = queue.get(timeout=WAIT_SECONDS)
        equal(message.payload, body)
        message.ack()
    equal(len(queue), 0, "size")


@check
def simple_queue_serializes_and_compresses(t):
    queue = simple(t)
    queue.put({"text": "ü" * 5000}, serializer="json", compression="zlib", headers={"a": 1})
    message = queue.get(timeout=WAIT_SECONDS)
    equal((message.payload, message.headers["a"]), ({"text": "ü" * 5000}, 1))
    equal(message.headers["compression"], "application/x-gzip")


@check
def simple_queue_tells_its_size_and_is_cleared(t):
    queue = simple(t)
    for number in range(5):
        queue.put(number)
    equal(queue.get_nowait().payload, 0)
    equal((queue.qsize(), queue.clear(), queue.qsize()), (4, 4, 0))


@check
def empty_simple_queue_raises_empty(t):
    queue = simple(t)
    for get in (lambda: queue.get(block=False), lambda: queue.get(timeout=0.01)):
        try:
            get()
        except Empty:
            continue
        raise AssertionError("there was a message")


@check
def simple_queue_takes_arguments(t):
    queue = simple(t, queue_args={"x-max-length": 2, "x-overflow": "drop-head"})
    for number in range(5):
        queue.put(number)
    equal([queue.get(timeout=WAIT_SECONDS).payload for _ in range(2)], [3, 4])


@check
def simple_buffer_needs_no_acks(t):
    name = t.name("buffer")
    with t.connection().SimpleBuffer(name) as buffer:
        buffer.put("passing")
        equal(buffer.get(timeout=WAIT_SECONDS).payload, "passing")
        equal(buffer.qsize(), 0)
