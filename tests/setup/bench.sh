#!/bin/bash
# Measures the release binary beside the raw databases and other engines; REPORT names the file for the tables.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

services=$(mktemp -d)
chmod 755 "$services"
cleanup() {
    tests/setup/postgres.sh stop "$services/pg"
    tests/setup/redis.sh stop "$services/redis"
    rm -rf "$services"
}
trap cleanup EXIT

tests/bench/peers/install.sh
cargo build --release --package flowforge-tests --bin bench
FLOWFORGE_TEST_POSTGRES=$(PG_OPTIONS="-c shared_buffers=1GB -c max_wal_size=4GB" tests/setup/postgres.sh start "$services/pg")
FLOWFORGE_TEST_REDIS=$(tests/setup/redis.sh start "$services/redis")
export FLOWFORGE_TEST_POSTGRES FLOWFORGE_TEST_REDIS FLOWFORGE_BIN="$PWD/target/release/flowforge"
target/release/bench "${REPORT:-target/bench.md}"
