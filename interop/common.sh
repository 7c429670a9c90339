# What the clients' scripts share. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail

# Where clients are installed: outside the checkout, and kept for the next run.
export INTEROP_CACHE="${WARREN_INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/warren-interop}"

# need COMMAND PACKAGE...: installs the Debian packages if the command is missing.
need() {
  local command="$1"
  shift
  if command -v "$command" >/dev/null; then
    return
  fi
  apt_install "$@"
}

apt_install() {
  echo "installing $* with apt-get" >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2
}
