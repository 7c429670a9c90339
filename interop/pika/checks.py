"""Runs the checks, or those whose name contains one of the arguments: a PASS or FAIL line each."""

import logging
import sys

import check_connections  # noqa: F401 - importing a module registers its checks
import check_consuming  # noqa: F401
import check_errors  # noqa: F401
import check_publishing  # noqa: F401
import check_routing  # noqa: F401
import check_topology  # noqa: F401
import check_tutorials  # noqa: F401
from harness import CHECK_SECONDS, CHECKS, Trial, time_limit


def run(function):
    """Runs one check. Returns why it failed, or None."""
    trial = Trial()
    reason = None
    try:
        with time_limit(CHECK_SECONDS):
            function(trial)
    except Exception as error:  # pylint: disable=broad-except
        reason = describe(error)
    try:
        with time_limit(CHECK_SECONDS):
            trial.close()
    except Exception as error:  # pylint: disable=broad-except
        reason = reason or f"while cleaning up: {describe(error)}"
    return reason


def describe(error):
    """The error on one line."""
    text = str(error) or repr(error)
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return kind + " ".join(text.split())


def main():
    """Exit code 1 if anything failed, or nothing ran."""
    logging.disable(logging.CRITICAL)  # the library logs every refusal we provoke
    wanted = sys.argv[1:]
    results = []
    for name, function in CHECKS:
        if wanted and not any(part in name for part in wanted):
            continue
        reason = run(function)
        results.append(reason is None)
        print(f"PASS {name}" if reason is None else f"FAIL {name}: {reason}", flush=True)
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
