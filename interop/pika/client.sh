#!/usr/bin/env bash
# pika, the Python library: client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh
venv="$INTEROP_CACHE/pika"

case "$1" in
  install)
    need python3 python3 python3-venv
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    if ! cmp -s requirements.txt "$venv/installed.txt"; then
      python3 -m venv --clear "$venv"
      "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
      cp requirements.txt "$venv/installed.txt"
    fi
    ;;
  version) "$venv/bin/python" -c 'import pika; print(pika.__version__)' ;;
  check) PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" checks.py "${@:2}" ;;
esac
