#!/bin/sh
# Installs the programs that the tests start: PostgreSQL, Redis, Chromium, bubblewrap, podman. Where it may not, names what is missing.
set -eu

has_postgres() { command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
has_redis() { command -v redis-server >/dev/null 2>&1; }
has_browser() {
    [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
        command -v google-chrome >/dev/null 2>&1
}
has_bubblewrap() { command -v bwrap >/dev/null 2>&1; }
has_podman() { command -v podman >/dev/null 2>&1; }
has_runc() { command -v runc >/dev/null 2>&1; }
has_busybox() { command -v busybox >/dev/null 2>&1; }
has_git() { command -v git >/dev/null 2>&1 && [ -x "$(git --exec-path)/git-http-backend" ]; }

missing=
need() { "has_$1" || missing="$missing $2"; }
need postgres postgresql
need redis redis-server
need browser chromium
need bubblewrap bubblewrap
need git git
needed=$missing
# What only the tests of containers need: where it cannot be had they say SKIPPED.
need podman podman
need runc runc
need busybox busybox-static
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "flowforge: the tests need these packages, please install them:$missing" >&2
    [ -z "$needed" ]
    exit
fi
echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # a list of packages
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "flowforge: apt-get could not install:$missing" >&2
    [ -z "$needed" ]
    exit
fi
