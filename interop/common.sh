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

# install_python CLIENT: a virtual environment with what requirements.txt here names.
install_python() {
  local venv="$INTEROP_CACHE/$1"
  need python3 python3 python3-venv
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  if ! cmp -s requirements.txt "$venv/installed.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt "$venv/installed.txt"
  fi
}

# check_python CLIENT [WORD...]: runs checks.py here in that environment, in place of the shell.
check_python() {
  export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$PWD:$PWD/../python"
  exec "$INTEROP_CACHE/$1/bin/python" checks.py "${@:2}"
}

# install_cargo CRATE VERSION BINARY: installs the crate's binary if it is not this version already.
install_cargo() {
  local said=''
  said=$("$3" --version 2>/dev/null) || true
  [[ "$said" != *" $2" ]] || return 0
  cargo install --quiet --locked --version "=$2" --root "${3%/bin/*}" "$1"
}
