#!/usr/bin/env bash
# The command line tools of librabbitmq, for C: client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

case "$1" in
  install) need amqp-publish amqp-tools ;;
  version)
    version=$(dpkg-query -W -f '${Version}' amqp-tools 2>/dev/null || echo unknown)
    echo "${version%%-*}"
    ;;
  check) exec ./checks.sh "${@:2}" ;;
esac
