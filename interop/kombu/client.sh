#!/usr/bin/env bash
# kombu, the Python library that Celery is built on: client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

case "$1" in
  install) install_python kombu ;;
  version) "$INTEROP_CACHE/kombu/bin/python" -c 'import kombu; print(kombu.__version__)' ;;
  check) check_python kombu "${@:2}" ;;
esac
