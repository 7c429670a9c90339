#!/usr/bin/env bash
# schemathesis, which makes requests up from an OpenAPI document: client.sh install | version | check
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

case "$1" in
  install) install_python schemathesis ;;
  version) sed -n 's/^schemathesis==//p' requirements.txt ;;
  check)
    export SCHEMATHESIS="$INTEROP_CACHE/schemathesis/bin/schemathesis"
    check_python schemathesis "${@:2}"
    ;;
esac
