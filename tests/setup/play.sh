#!/bin/sh
# Plays browser tests against a running server: `play.sh e2e`, or one scene by its name: `play.sh scene git-job`.
# The first argument names a configuration, frontend/vitest.NAME.config.ts; e2e/forge.ts lists the variables.
set -eu
cd "${0%/*}/../../frontend"

fail() {
    echo "flowforge: $1" >&2
    exit 1
}

: "${CHROMIUM:=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}"
[ -x "$CHROMIUM" ] || fail "Chromium is missing: install the package chromium, or set CHROMIUM to a program"
command -v node >/dev/null 2>&1 || fail "node is missing: install Node.js 20 or newer from https://nodejs.org"
[ -x node_modules/.bin/vitest ] || fail "the web packages are missing: run tests/setup/web.sh install"
export CHROMIUM

config=$1
shift
exec node_modules/.bin/vitest run --config "vitest.$config.config.ts" "$@"
