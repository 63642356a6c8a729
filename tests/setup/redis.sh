#!/bin/sh
# A throw-away Redis. `start DIR` prints its URL; `stop DIR` ends it and removes DIR.
# `crash DIR` is kill -9, which loses everything; `restart DIR` starts it again, empty, on its port.
set -eu

random_port() { echo $((28000 + $(od -An -N2 -tu2 /dev/urandom) % 4000)); }

# Redis answers PING once it listens; a taken port makes it exit instead.
answers() { redis-cli -p "$1" ping 2>/dev/null | grep -q PONG; }

serve() {
    redis-server --port "$2" --bind 127.0.0.1 --dir "$1" --pidfile "$1/pid" --logfile "$1/log" --save '' --daemonize yes >/dev/null
    for _ in $(seq 100); do
        if answers "$2"; then return; fi
        sleep 0.05
    done
    return 1
}

start() {
    command -v redis-server >/dev/null 2>&1 || { echo "flowforge: Redis is missing: install the package redis-server" >&2; exit 1; }
    mkdir -p "$1"
    for _ in 1 2 3 4 5 6 7 8; do
        port=$(random_port)
        ! answers "$port" || continue
        if serve "$1" "$port"; then
            echo "$port" >"$1/port"
            echo "redis://127.0.0.1:$port"
            return
        fi
    done
    cat "$1/log" >&2
    exit 1
}

crash() { kill -9 "$(cat "$1/pid")"; }

restart() { serve "$1" "$(cat "$1/port")"; }

stop() {
    if pid=$(cat "$1/pid" 2>/dev/null); then
        kill "$pid" 2>/dev/null || true
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    fi
    rm -rf "$1"
}

case ${1:-} in
    start | stop | crash | restart) "$1" "$2" ;;
    *)
        echo "usage: redis.sh start|stop|crash|restart DIR" >&2
        exit 2
        ;;
esac
