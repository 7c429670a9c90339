"""Runs the checks, or those whose name contains one of the arguments: a line each."""

import sys

import check_dashboard  # noqa: F401 - importing a module registers its checks
import check_flower  # noqa: F401
import check_health  # noqa: F401
import check_keda  # noqa: F401
import check_rabbit_hole  # noqa: F401
import check_terraform  # noqa: F401
from checklist import main
from harness import Trial

if __name__ == "__main__":
    sys.exit(main(Trial))
