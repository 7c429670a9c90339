"""Runs the checks, or those whose name contains one of the arguments: a line each."""

import sys

import check_connections  # noqa: F401 - importing a module registers its checks
import check_consuming  # noqa: F401
import check_dead_letters  # noqa: F401
import check_errors  # noqa: F401
import check_exchange_types  # noqa: F401
import check_limits  # noqa: F401
import check_publishing  # noqa: F401
import check_routing  # noqa: F401
import check_topology  # noqa: F401
import check_tutorials  # noqa: F401
from checklist import main
from harness import Trial

if __name__ == "__main__":
    sys.exit(main(Trial))
