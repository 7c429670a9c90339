"""Runs the checks, or those whose name contains one of the arguments: a line each."""

import sys

import check_access  # noqa: F401 - importing a module registers its checks
import check_connections  # noqa: F401
import check_definitions  # noqa: F401
import check_messages  # noqa: F401
import check_node  # noqa: F401
import check_policies  # noqa: F401
import check_topology  # noqa: F401
import check_vhosts  # noqa: F401
from checklist import main
from harness import Trial

if __name__ == "__main__":
    sys.exit(main(Trial))
