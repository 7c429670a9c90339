#!/usr/bin/env bash
# The requests that other software makes to the management API: client.sh install | version | check
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

case "$1" in
  install) install_python http-checks ;;
  version) echo - ;;
  check) check_python http-checks "${@:2}" ;;
esac
