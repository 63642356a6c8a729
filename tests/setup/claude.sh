#!/bin/sh
# Prints the path of Claude Code's one program, of the version that FlowForge drives; fetches it (170 MB) the first time.
# Where it cannot be had it says why, and the tests that need it say SKIPPED.
set -eu
cd "$(dirname "$0")/../.."

version=$(sed -n 's/.*PINNED: &str = "\([0-9.]*\)".*/\1/p' nodes/src/agent/cli.rs)
cache=$PWD/target/claude
program=$cache/$version/claude

fail() {
    echo "flowforge: Claude Code $version is not here: $1" >&2
    exit 1
}

fetch() {
    command -v npm >/dev/null 2>&1 || fail "npm is missing"
    # npm knows no certificates but its own, unless it is told of the system's.
    if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -r /etc/ssl/certs/ca-certificates.crt ]; then
        export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
    fi
    mkdir -p "$cache"
    new=$(mktemp -d "$cache/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    npm install --prefix "$new" --no-audit --no-fund --loglevel=error --fetch-retries=1 \
        "@anthropic-ai/claude-code@$version" >"$new/log" 2>&1 || fail "npm says: $(tail -n 1 "$new/log")"
    # The package for this machine holds one file; the wrapper around it is not needed.
    for found in "$new"/node_modules/@anthropic-ai/claude-code-*/claude; do
        "$found" --version >/dev/null 2>&1 || continue
        mkdir -p "$cache/$version"
        mv -f "$found" "$program"
        return
    done
    fail "its package has no program for this machine"
}

[ -x "$program" ] || fetch
echo "$program"
