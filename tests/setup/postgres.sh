#!/bin/sh
# A throw-away PostgreSQL with its durability on. `start DIR` prints its URL; `stop DIR` ends it and removes DIR.
# `crash DIR` is kill -9 for the server and its backends; `restart DIR` starts it again on its data and port.
# It does not run as root, so root starts it as the user postgres; DIR must therefore be directly under a folder that all may enter.
set -eu

bin() {
    if command -v initdb >/dev/null 2>&1; then
        dirname "$(command -v initdb)"
    else
        # shellcheck disable=SC2012 # version folders only
        ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1
    fi
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@")
    else
        "$@"
    fi
}

random_port() { echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 8000)); }

start() {
    [ -n "$bin" ] || { echo "flowforge: PostgreSQL is missing: install the package postgresql" >&2; exit 1; }
    mkdir -p "$1"
    [ "$(id -u)" != 0 ] || chown postgres: "$1"
    as_postgres "$bin/initdb" --no-sync -D "$1/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 >"$1.log" 2>&1 ||
        { cat "$1.log" >&2; exit 1; }
    for _ in 1 2 3 4 5 6 7 8; do
        port=$(random_port)
        options="-p $port -k $1 -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync=on -c synchronous_commit=on ${PG_OPTIONS:-}"
        if as_postgres "$bin/pg_ctl" start -w -t 30 -D "$1/data" -l "$1/log" -o "$options" >"$1.log" 2>&1; then
            echo "$options" >"$1/options"
            echo "postgres://postgres@127.0.0.1:$port/postgres"
            return
        fi
    done
    cat "$1.log" "$1/log" >&2
    exit 1
}

stop() {
    as_postgres "$bin/pg_ctl" stop -m immediate -D "$1/data" >/dev/null 2>&1 || true
    rm -rf "$1" "$1.log"
}

crash() {
    pid=$(head -n 1 "$1/data/postmaster.pid")
    # shellcheck disable=SC2046 # one word a backend; one may have ended in between
    kill -9 "$pid" $(pgrep -P "$pid") 2>/dev/null || true
}

# Refused while a backend that was killed is still going away.
restart() {
    for _ in $(seq 600); do
        if as_postgres "$bin/pg_ctl" start -w -t 30 -D "$1/data" -l "$1/log" -o "$(cat "$1/options")" >"$1.log" 2>&1; then return; fi
        sleep 0.1
    done
    cat "$1.log" >&2
    exit 1
}

bin=$(bin)
case ${1:-} in
    start | stop | crash | restart) "$1" "$2" ;;
    *)
        echo "usage: postgres.sh start|stop|crash|restart DIR" >&2
        exit 2
        ;;
esac
