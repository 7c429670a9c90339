# Shortcuts (https://just.systems). Each is one or two plain commands that can be typed as well.

# What there is.
default:
    @just --list

# Formatting, lints, tests: what a change has to pass at least.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo test

# The tests, or those whose name contains a word: `just test confirm`.
test *words:
    cargo test {{ words }}

# Client libraries against a fresh broker: `just interop pika`. All of them if none is named.
interop *clients:
    interop/run {{ clients }}

# Throughput and latency; what the numbers mean is in docs/performance.md.
bench *arguments:
    bench/run {{ arguments }}

# One fuzz target for some seconds: `just fuzz frames 300`. Needs cargo-fuzz.
fuzz target seconds='60':
    cargo fuzz run {{ target }} -- -max_total_time={{ seconds }}

# Everything that CI does, the same way.
ci:
    .ci/run

# Licences, sources and doubles of the dependencies. Needs cargo-deny.
deny:
    cargo deny check licenses bans sources
