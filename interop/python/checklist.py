"""What the Python clients' checks share: a list of checks, a table line for each, waits that end.

Knows no client library. A client gives `main` a function that makes a trial: an object with
`close`, which every check gets and which leaves nothing behind.
"""

import logging
import signal
import sys
import time
from contextlib import contextmanager

WAIT_SECONDS = 10  # for one event
CHECK_SECONDS = 30  # for one whole check: a call that blocks for ever ends here
POLL_SECONDS = 0.05  # between two looks at something that sends no event

CHECKS = []


class Skip(Exception):
    """Raised by a check that the broker cannot take: a feature that its version has not."""


class OutOfTime(Exception):
    """A check took too long. No OSError, as TimeoutError is: libraries try again after those."""


def check(function):
    """Registers a check; its name is what it proves."""
    CHECKS.append((function.__name__.replace("_", " "), function))
    return function


def equal(actual, expected, what="value"):
    """Fails with both values named."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


@contextmanager
def time_limit(seconds):
    """Interrupts the block when the time is over, whatever it waits for."""

    def on_alarm(_signal, _frame):
        raise OutOfTime(f"not done after {seconds} s")

    previous = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def eventually(holds, what):
    """Looks until `holds()` is true: for what the broker does by itself and tells nobody."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(POLL_SECONDS)


def describe(error):
    """The error on one line."""
    text = str(error) or repr(error)
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return kind + " ".join(text.split())


def run(function, make_trial):
    """Runs one check. Returns the word for its line, and why it did not pass."""
    trial = make_trial()
    word, reason = "PASS", None
    try:
        with time_limit(CHECK_SECONDS):
            function(trial)
    except Skip as skip:
        word, reason = "SKIP", str(skip)
    except Exception as error:  # pylint: disable=broad-except
        word, reason = "FAIL", describe(error)
    try:
        with time_limit(CHECK_SECONDS):
            trial.close()
    except Exception as error:  # pylint: disable=broad-except
        if word != "FAIL":
            word, reason = "FAIL", f"while cleaning up: {describe(error)}"
    return word, reason


def main(make_trial):
    """Runs all checks, or those whose name contains one of the arguments.

    The exit code is 1 if anything failed, or nothing ran.
    """
    logging.disable(logging.CRITICAL)  # the libraries log every refusal we provoke
    wanted = sys.argv[1:]
    words = []
    for name, function in CHECKS:
        if wanted and not any(part in name for part in wanted):
            continue
        word, reason = run(function, make_trial)
        words.append(word)
        print(f"{word} {name}" if reason is None else f"{word} {name}: {reason}", flush=True)
    return 0 if words and "FAIL" not in words else 1
