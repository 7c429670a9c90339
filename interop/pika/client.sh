#!/usr/bin/env bash
# pika, the Python library: client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

case "$1" in
  install) install_python pika ;;
  version) "$INTEROP_CACHE/pika/bin/python" -c 'import pika; print(pika.__version__)' ;;
  check) check_python pika "${@:2}" ;;
esac
