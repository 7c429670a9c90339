#!/usr/bin/env bash
# The crate rabbitmq_http_client, RabbitMQ's Rust client of the management API:
# client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh

export CARGO_TARGET_DIR="$INTEROP_CACHE/http-client/target"

case "$1" in
  install) cargo build --quiet --locked ;;
  version) sed -n 's/^rabbitmq_http_client = .*version = "=\([^"]*\)".*/\1/p' Cargo.toml ;;
  check) exec "$CARGO_TARGET_DIR/debug/http-client-checks" "${@:2}" ;;
esac
