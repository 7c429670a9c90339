#!/usr/bin/env bash
# Checks with the command line tools of librabbitmq, the C client: a PASS or FAIL line each.
# `checks.sh WORD...` runs those whose name contains one of the words.
# shellcheck disable=SC2317  # the checks are found by their names
set -euo pipefail

readonly CHECK_SECONDS=20
readonly address="${AMQP_HOST:-127.0.0.1}:${AMQP_PORT:-5672}"
readonly url="amqp://guest:guest@$address/%2f"

queue="interop.tools.$$.$RANDOM"
consumer_id=''

# Runs one of the tools as guest on the default virtual host.
amqp() {
  local tool="amqp-$1"
  shift
  "$tool" --url="$url" "$@"
}

# Starts amqp-consume in the background. `heard` is then the next line it prints.
consume_in_background() {
  coproc consumer { exec amqp-consume --url="$url" "$@" 2>&1; }
  # shellcheck disable=SC2154  # coproc sets it
  consumer_id="$consumer_PID"
  exec {consumer_output}<&"${consumer[0]}"
}

heard() {
  local line
  read -r -t 10 -u "$consumer_output" line || fail "${line:-nothing} heard from amqp-consume"
  echo "$line"
}

cleanup() {
  [[ -z "$consumer_id" ]] || kill "$consumer_id" 2>/dev/null || true
  amqp delete-queue -q "$queue" >/dev/null 2>&1 || true
}

equal() {
  [[ "$1" == "$2" ]] || fail "expected '$2', got '$1'"
}

fail() {
  echo "$*"
  exit 1
}

# The command after the first two arguments must exit with this code and say this on stderr.
refused() {
  local code="$1" text="$2" status=0 said
  shift 2
  said=$("$@" 2>&1) || status=$?
  equal "$status" "$code"
  [[ "$said" == *"$text"* ]] || fail "expected '$text' in '$said'"
}

check_declare_and_delete_queue() {
  equal "$(amqp declare-queue -q "$queue")" "$queue"
  equal "$(amqp declare-queue -q "$queue")" "$queue"
  equal "$(amqp delete-queue -q "$queue")" 0
  refused 1 "404, message: NOT_FOUND - no queue '$queue' in vhost '/'" amqp get -q "$queue"
}

check_declare_server_named_queue() {
  queue=$(amqp declare-queue -q '')
  [[ "$queue" =~ ^amq\.gen-[A-Za-z0-9_-]{22}$ ]] || fail "named '$queue'"
  amqp publish -r "$queue" -b 'found by its name'
  equal "$(amqp get -q "$queue")" 'found by its name'
}

check_publish_and_get() {
  amqp declare-queue -d -q "$queue"
  amqp publish -r "$queue" -b 'one'
  echo -n 'from standard input' | amqp publish -r "$queue"
  equal "$(amqp get -q "$queue")" 'one'
  equal "$(amqp get -q "$queue")" 'from standard input'
}

check_publish_with_properties_and_headers() {
  amqp declare-queue -q "$queue"
  amqp publish -r "$queue" -b 'dressed' -p -C text/plain -E utf-8 -t "$queue" \
    -H 'colour: red' -H 'size: 7'
  equal "$(amqp get -q "$queue")" 'dressed'
}

check_publish_each_line() {
  amqp declare-queue -q "$queue"
  printf 'first\nsecond\nthird\n' | amqp publish -l -r "$queue"
  for line in first second third; do
    equal "$(amqp get -q "$queue")" "$line"
  done
  equal "$(amqp delete-queue -q "$queue")" 0
}

check_publish_empty_and_large_body() {
  amqp declare-queue -q "$queue"
  amqp publish -r "$queue" -b ''
  head -c 5000000 /dev/zero | tr '\0' 'x' | amqp publish -r "$queue"
  equal "$(amqp get -q "$queue" | wc -c)" 0
  equal "$(amqp get -q "$queue" | tr -d 'x' | wc -c)" 0
  equal "$(amqp delete-queue -q "$queue")" 0
  amqp declare-queue -q "$queue"
  head -c 5000000 /dev/zero | tr '\0' 'x' | amqp publish -r "$queue"
  equal "$(amqp get -q "$queue" | wc -c)" 5000000
}

check_get_from_empty_queue_exits_with_2() {
  amqp declare-queue -q "$queue"
  refused 2 '' amqp get -q "$queue"
}

check_consume_stops_after_count() {
  amqp declare-queue -q "$queue"
  printf '%s\n' 1 2 3 4 5 | amqp publish -l -r "$queue"
  equal "$(amqp consume -q "$queue" -c 2 -- sh -c 'cat; echo' | xargs)" '1 2'
  equal "$(amqp consume -q "$queue" -c 2 -p 1 -- sh -c 'cat; echo' | xargs)" '3 4'
  equal "$(amqp delete-queue -q "$queue")" 1
}

check_consume_without_acks() {
  amqp declare-queue -q "$queue"
  printf '%s\n' 1 2 | amqp publish -l -r "$queue"
  equal "$(amqp consume -A -q "$queue" -c 2 -- sh -c 'cat; echo' | xargs)" '1 2'
  equal "$(amqp delete-queue -q "$queue")" 0
}

check_consume_keeps_message_of_failed_command() {
  amqp declare-queue -q "$queue"
  amqp publish -r "$queue" -b 'precious'
  equal "$(amqp consume -q "$queue" -c 1 -- sh -c 'cat; exit 1')" 'precious'
  equal "$(amqp consume -q "$queue" -c 1 cat)" 'precious'
  equal "$(amqp delete-queue -q "$queue")" 0
}

check_consume_from_exchange_with_an_exclusive_queue() {
  local named
  consume_in_background -x -e amq.topic -r "$queue.#" -c 2 -- sh -c 'cat; echo'
  # The tool names its queue, binds it and then consumes: a first message tells us that it does.
  named=$(heard)
  amqp publish -r "${named##*: }" -b 'ready'
  equal "$(heard)" 'ready'
  amqp publish -e amq.topic -r "other.$queue" -b 'not matched'
  amqp publish -e amq.topic -r "$queue.deep.down" -b 'matched'
  equal "$(heard)" 'matched'
}

check_exclusive_queue_is_405_for_others() {
  local named
  consume_in_background -x -c 1 -- sh -c 'cat; echo'
  named=$(heard)
  named="${named##*: }"
  refused 1 "405, message: RESOURCE_LOCKED - cannot obtain exclusive access to locked" \
    amqp get -q "$named"
  amqp publish -r "$named" -b 'for you alone'
  equal "$(heard)" 'for you alone'
}

check_delete_only_if_empty() {
  amqp declare-queue -q "$queue"
  amqp publish -r "$queue" -b 'in the way'
  refused 1 "406, message: PRECONDITION_FAILED - queue '$queue' in vhost '/' not empty" \
    amqp delete-queue --if-empty -q "$queue"
  equal "$(amqp get -q "$queue")" 'in the way'
  equal "$(amqp delete-queue --if-empty --if-unused -q "$queue")" 0
}

check_redeclare_with_other_durability_is_406() {
  amqp declare-queue -q "$queue"
  local text="406, message: PRECONDITION_FAILED - inequivalent arg 'durable' for queue '$queue'"
  refused 1 "$text in vhost '/': received 'true' but current is 'false'" \
    amqp declare-queue -d -q "$queue"
}

check_missing_queue_is_404() {
  local text="404, message: NOT_FOUND - no queue '$queue' in vhost '/'"
  refused 1 "$text" amqp get -q "$queue"
  refused 1 "$text" amqp consume -q "$queue" -c 1 cat
  equal "$(amqp delete-queue -q "$queue")" 0
}

check_missing_exchange_is_404() {
  refused 1 "404, message: NOT_FOUND - no exchange '$queue' in vhost '/'" \
    amqp publish -e "$queue" -r key -b lost
}

check_wrong_password_is_403() {
  local text='ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.'
  refused 1 "403, message: $text For details see the broker logfile." \
    amqp-declare-queue --url="amqp://guest:wrong@$address/%2f" -q "$queue"
}

check_wrong_vhost_is_530() {
  refused 1 '530, message: NOT_ALLOWED - vhost missing not found' \
    amqp-declare-queue --url="amqp://guest:guest@$address/missing" -q "$queue"
}

# Each check runs in a process of its own: `set -e` holds in it and its time is limited.
if [[ "${1-}" == --one ]]; then
  trap cleanup EXIT
  "$2" 2>&1
  exit 0
fi

failed=0
for check in $(compgen -A function check_); do
  name="${check#check_}"
  name="${name//_/ }"
  wanted=$(($# == 0))
  for word in "$@"; do
    [[ "$name" == *"$word"* ]] && wanted=1
  done
  ((wanted)) || continue
  if said=$(timeout "$CHECK_SECONDS" bash "${BASH_SOURCE[0]}" --one "$check" 2>&1); then
    echo "PASS $name"
  else
    echo "FAIL $name: exit code $?, ${said//$'\n'/ | }"
    failed=1
  fi
done
exit "$failed"
