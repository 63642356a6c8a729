#!/bin/bash
# Starts a server on a free port with an empty data folder and lets the browser tests drive it, or a scene: `scene screenshots`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bin=${FLOWFORGE_BIN:-target/debug/flowforge}
data=$(mktemp -d)
server=
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    rm -rf "$data"
}
trap cleanup EXIT

export FLOWFORGE_ADMIN_EMAIL=owner@example.org FLOWFORGE_ADMIN_PASSWORD="correct horse battery"

# A taken port ends the server at once; then the next one is tried.
start() {
    local port
    for _ in 1 2 3 4 5; do
        port=$((10000 + RANDOM % 10000))
        FLOWFORGE_URL=http://127.0.0.1:$port
        "$bin" serve --listen "127.0.0.1:$port" --data-dir "$data" >"$data/server.log" 2>&1 &
        server=$!
        while kill -0 "$server" 2>/dev/null; do
            if curl -sf -o /dev/null "$FLOWFORGE_URL/health/ready"; then return; fi
            sleep 0.1
        done
    done
    cat "$data/server.log" >&2
    exit 1
}

start
export FLOWFORGE_URL
status=0
tests/setup/play.sh "${@:-e2e}" || status=$?
((status == 0)) || tail -n 40 "$data/server.log"
exit "$status"
