"""What every check uses: workers in process groups of their own, journals, and their end."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import jobs
from checklist import WAIT_SECONDS, check, equal, eventually  # noqa: F401 - for the checks
from kombu import Connection

START_SECONDS = 20  # until a worker is ready, on a busy machine
STOP_SECONDS = 5  # for a warm shutdown of an idle worker
LINE_BYTES = 4096  # of a journal in one read: lines are short

# Celery's own names, and those of its delayed delivery. Left behind on a broker that goes on.
EXCHANGES = ["celery", "celeryev", "celery.pidbox", "reply.celery.pidbox", jobs.BROADCAST]
LEVELS = [f"celery_delayed_{level}" for level in range(28)]


class Worker:
    """`celery worker` with its pool, in a process group that dies as one."""

    def __init__(self, kind, name, results, options=(), port=jobs.PORT):
        self.node = f"{name}@interop"
        self.lines = []
        self._grown = threading.Condition()
        command = ["worker", "--hostname", self.node, "--loglevel", "INFO", *options]
        self._process = subprocess.Popen(
            # The checks may be killed themselves: the worker must not outlive them.
            ["setpriv", "--pdeathsig", "KILL",
             sys.executable, "-m", "celery", "-A", "jobs", *command],
            env=os.environ | {
                "INTEROP_KIND": kind, "INTEROP_RESULTS": results, "AMQP_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            print(f"{self.node}: {line}", end="", file=sys.stderr)
            with self._grown:
                self.lines.append(line)
                self._grown.notify_all()
        with self._grown:
            self.lines.append("the end")
            self._grown.notify_all()

    def says(self, *texts, since=0, seconds=WAIT_SECONDS):
        """Waits for a line of the log with one of these texts. Returns where to look next."""
        def found():
            for at, line in enumerate(self.lines[since:], since):
                if any(text in line for text in texts):
                    return at + 1
            return None
        with self._grown:
            at = self._grown.wait_for(lambda: found() or "the end" in self.lines, seconds)
            at = found()
        if at is None:
            raise AssertionError(f"{self.node} did not say {texts[0]!r}")
        return at

    def ready(self):
        """Waits until the worker takes tasks."""
        self.says(f"{self.node} ready.", seconds=START_SECONDS)
        return self

    def kill(self):
        """Ends the worker and its pool at once, as a crashed machine would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def ends(self):
        """The worker must end by itself, successfully."""
        equal(self._process.wait(WAIT_SECONDS), 0, f"exit code of {self.node}")

    def ask_to_stop(self):
        """Begins a warm shutdown."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self):
        """Ends the worker, however it is doing."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()


def clean(results=()):
    """Deletes what workers declare, also what a run that was killed has left."""
    queues = [settings.get("task_default_queue", "celery") for settings in jobs.KINDS.values()]
    with Connection(f"amqp://guest:guest@{jobs.HOST}:{jobs.PORT}//") as connection:
        channel = connection.channel()
        for name in [*queues, *LEVELS, *results]:
            channel.queue_delete(name)
        for name in queues + EXCHANGES + LEVELS + ["celery_delayed_delivery"]:
            channel.exchange_delete(name)


class Suite:
    """What the checks share, because it takes seconds to start: applications and workers."""

    def __init__(self):
        clean()
        self.folder = tempfile.mkdtemp(prefix="warren-interop.")
        self.results = os.path.join(self.folder, "results")
        os.mkdir(self.results)
        jobs.KINDS["files"]["result_backend"] = f"file://{self.results}"
        self._apps = {}
        self._workers = {}

    def app(self, kind="plain"):
        """The application of this kind, as a client."""
        if kind not in self._apps:
            self._apps[kind] = jobs.make_app(kind)
        return self._apps[kind]

    def start(self, kind, name=None, processes=2):
        """Starts a worker without waiting for it. One that is there already will do."""
        name = name or kind
        if name not in self._workers:
            options = ["--concurrency", str(processes)]
            self._workers[name] = Worker(kind, name, self.results, options)
        return self._workers[name]

    def forget(self, name):
        """Ends a worker that a check has ended or damaged."""
        worker = self._workers.pop(name, None)
        if worker:
            worker.kill()

    def close(self):
        """Ends all workers and deletes what they declared."""
        for worker in self._workers.values():
            worker.ask_to_stop()
        for worker in self._workers.values():
            worker.stop()
        # Where a client asked for a result and never looked for it.
        results = [app.thread_oid for app in self._apps.values()]
        for app in self._apps.values():
            app.close()
        shutil.rmtree(self.folder)
        clean(results)


class Trial:
    """One check's dealings with the broker. Leaves nothing behind but the shared workers."""

    def __init__(self, suite):
        self.suite = suite
        self._closers = []
        self._count = 0

    def app(self, kind="plain"):
        """The application of this kind and its worker, which is ready."""
        processes = {"plain": 3, "late": 1}.get(kind, 2)
        self.suite.start(kind, processes=processes).ready()
        return self.suite.app(kind)

    def task(self, name, kind="plain"):
        """A task of the application of this kind, whose worker is ready."""
        return self.app(kind).tasks[name]

    def later(self, close):
        """Does this when the check is over."""
        self._closers.append(close)

    def journal(self):
        """A pipe that tasks write lines to."""
        return self._pipe(Journal)

    def gate(self):
        """A pipe that tasks wait at."""
        return self._pipe(Gate)

    def _pipe(self, kind):
        self._count += 1
        pipe = kind(os.path.join(self.suite.folder, f"{id(self)}.{self._count}"))
        self.later(pipe.close)
        return pipe

    def close(self):
        """Undoes what the check asked to undo, the latest first."""
        while self._closers:
            self._closers.pop()()


class Pipe:
    """A named pipe that this process has open at both ends, so that nobody waits to open it."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self._end = os.open(path, os.O_RDWR)

    def close(self):
        """Removes the pipe."""
        os.close(self._end)
        os.unlink(self.path)


class Journal(Pipe):
    """Lines that tasks write, in order."""

    def __init__(self, path):
        super().__init__(path)
        self._text = ""

    def line(self, seconds=WAIT_SECONDS):
        """The next line; waits for it."""
        deadline = time.monotonic() + seconds
        while "\n" not in self._text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._end], [], [], left)[0]:
                raise AssertionError("timed out waiting for a task")
            self._text += os.read(self._end, LINE_BYTES).decode()
        line, self._text = self._text.split("\n", 1)
        return line

    def lines(self, count):
        """The next so many lines."""
        return [self.line() for _ in range(count)]

    def held(self):
        """The process in which a `hold` task has begun, and whether that was redelivered."""
        process, redelivered = self.line().split()
        return int(process), redelivered == "True"


class Gate(Pipe):
    """Where tasks wait until they are let through."""

    def open(self, count=1):
        """Lets so many tasks end, each with the result "through"."""
        os.write(self._end, b"." * count)

    def close(self):
        """Lets everybody through who may still be waiting."""
        self.open()
        super().close()
