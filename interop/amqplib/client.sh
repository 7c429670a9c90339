#!/usr/bin/env bash
# amqplib, the Node.js library: client.sh install | version | check [WORD...]
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
# shellcheck source-path=SCRIPTDIR
source ../common.sh
copy="$INTEROP_CACHE/amqplib"

case "$1" in
  install)
    need node nodejs
    need npm npm
    # Node.js looks for modules beside the importing file, so the checks run as a copy.
    mkdir -p "$copy"
    cp -r package.json package-lock.json ./*.js tutorials "$copy"
    if ! cmp -s package-lock.json "$copy/node_modules/installed.json"; then
      npm ci --prefix "$copy" --silent --no-audit --no-fund
      cp package-lock.json "$copy/node_modules/installed.json"
    fi
    ;;
  version) node -p "require('$copy/node_modules/amqplib/package.json').version" ;;
  check) exec node "$copy/checks.js" "${@:2}" ;;
esac
