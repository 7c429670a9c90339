#!/usr/bin/env bash
# Celery, the Python task queue: client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

case "$1" in
  install) install_python celery ;;
  version) "$INTEROP_CACHE/celery/bin/python" -c 'import celery; print(celery.__version__)' ;;
  check) check_python celery "${@:2}" ;;
esac
