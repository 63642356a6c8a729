#!/bin/bash
# Measures the release binary beside the raw databases; REPORT names the file for the tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

services=$(mktemp -d)
chmod 755 "$services"
trap 'tests/setup/postgres.sh stop "$services/pg"; rm -rf "$services"' EXIT

cargo build --release --package flowforge-tests --bin bench
FLOWFORGE_TEST_POSTGRES=$(PG_OPTIONS="-c shared_buffers=1GB -c max_wal_size=4GB" tests/setup/postgres.sh start "$services/pg")
export FLOWFORGE_TEST_POSTGRES FLOWFORGE_BIN="$PWD/target/release/flowforge"
target/release/bench "${REPORT:-target/bench.md}"
