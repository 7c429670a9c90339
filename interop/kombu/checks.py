"""Runs the checks, or those whose name contains one of the arguments: a line each."""

import sys

import check_connections  # noqa: F401 - importing a module registers its checks
import check_messaging  # noqa: F401
import check_pidbox  # noqa: F401
import check_queues  # noqa: F401
import check_simple  # noqa: F401
from checklist import main
from harness import Trial

if __name__ == "__main__":
    sys.exit(main(Trial))
