#!/bin/bash
# Runs every part of the tests, goes on after a failure, and ends with one line: N passed, N failed.
# A part is a command; its own counts are read from its output, a part that prints none counts as one.
# PARTS="rust browser" runs only those parts.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

passed=0 failed=0
logs=$(mktemp -d)
services=$(mktemp -d)
chmod 755 "$services"
cleanup() {
    tests/setup/postgres.sh stop "$services/pg"
    tests/setup/redis.sh stop "$services/redis"
    tests/setup/podman.sh stop "$services/podman"
    rm -rf "$logs" "$services"
}
trap cleanup EXIT

# count LOG WORD: the sum of what the test runners say about WORD (nextest and cargo test, vitest).
count() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -E '^ *(Summary \[|test result:|Tests )' |
        grep -oE "[0-9]+ $2" | awk '{ n += $1 } END { print n + 0 }'
}

part() {
    local name=$1 log ok bad began=$SECONDS status=0
    shift
    [[ -z ${PARTS:-} || " $PARTS " == *" ${name%% *} "* ]] || return 0
    log="$logs/${name// /-}"
    echo "== $name"
    "$@" 2>&1 | tee "$log" || status=$?
    ok=$(count "$log" passed) bad=$(count "$log" failed)
    if ((status != 0 && bad == 0)); then bad=1; fi
    if ((status == 0 && ok == 0)); then ok=1; fi
    passed=$((passed + ok)) failed=$((failed + bad))
    echo "== $name: $ok passed, $bad failed, $((SECONDS - began)) s"
    return "$status"
}

web() { npm --prefix frontend run --silent "$@"; }

rust_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --no-fail-fast --status-level fail --final-status-level fail
    else
        cargo test --workspace --no-fail-fast --quiet
    fi
}

FLOWFORGE_TEST_POSTGRES=$(tests/setup/postgres.sh start "$services/pg") || exit 1
FLOWFORGE_TEST_REDIS=$(tests/setup/redis.sh start "$services/redis") || exit 1
# Without a container engine the tests that need one say that they are skipped.
FLOWFORGE_TEST_DOCKER=$(tests/setup/podman.sh start "$services/podman") || FLOWFORGE_TEST_DOCKER=
export FLOWFORGE_TEST_POSTGRES FLOWFORGE_TEST_REDIS FLOWFORGE_TEST_DOCKER
export FLOWFORGE_BIN="$PWD/target/debug/flowforge"
if FLOWFORGE_CLAUDE=$(tests/setup/claude.sh); then
    export FLOWFORGE_CLAUDE
else
    unset FLOWFORGE_CLAUDE
    echo "== SKIPPED: what needs Claude Code"
fi

part "format of Rust" cargo fmt --all --check
part "web packages" tests/setup/web.sh install
part "format of the web app" web fmt:check
part "lints of the web app" web lint
part "unit tests of the web app" web test
part "bundle of the web app" tests/setup/web.sh build
if command -v shellcheck >/dev/null 2>&1; then
    part "lints of scripts" shellcheck tests/setup/*.sh tests/fixtures/*.sh .ci/run
fi
part "lints of Rust" cargo clippy --quiet --workspace --all-targets -- -D warnings
part "build" cargo build --quiet --workspace --bins
part "rust" rust_tests
part "chaos" tests/setup/chaos.sh --rounds 3
part "browser" tests/setup/browser.sh

echo
echo "$passed passed, $failed failed"
((failed == 0))
