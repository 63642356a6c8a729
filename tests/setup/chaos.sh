#!/bin/bash
# Plays chaos rounds with the release binary, or with that of FLOWFORGE_BIN; every argument is the harness's, see `--help`.
# The harness starts its own PostgreSQL and Redis.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cargo build --quiet --package flowforge-tests --bin chaos
export FLOWFORGE_BIN="${FLOWFORGE_BIN:-$PWD/target/release/flowforge}"
exec target/debug/chaos "$@"
