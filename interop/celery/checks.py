"""Runs the checks, or those whose name contains one of the arguments: a line each."""

import signal
import sys

import check_canvas  # noqa: F401 - importing a module registers its checks
import check_control  # noqa: F401
import check_crashes  # noqa: F401
import check_quorum  # noqa: F401
import check_schedules  # noqa: F401
import check_tasks  # noqa: F401
from checklist import main
from harness import Suite, Trial


def stop(_signal, _frame):
    """Ends the checks so that the workers are still stopped."""
    sys.exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    suite = Suite()
    try:
        # All the workers that most checks need: started together, they start while others run.
        for kind, processes in (("plain", 3), ("late", 1), ("quorum", 2), ("files", 2)):
            suite.start(kind, processes=processes)
        code = main(lambda: Trial(suite))
    finally:
        suite.close()
    sys.exit(code)
