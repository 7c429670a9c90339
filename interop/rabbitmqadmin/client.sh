#!/usr/bin/env bash
# rabbitmqadmin, RabbitMQ's management CLI (version 2): client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

readonly VERSION=2.35.0
export RABBITMQADMIN="$INTEROP_CACHE/rabbitmqadmin/bin/rabbitmqadmin"

case "$1" in
  install)
    install_python rabbitmqadmin-checks
    install_cargo rabbitmqadmin "$VERSION" "$RABBITMQADMIN"
    ;;
  version) echo "$VERSION" ;;
  check) check_python rabbitmqadmin-checks "${@:2}" ;;
esac
