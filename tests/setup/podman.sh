#!/bin/sh
# A throw-away container engine that speaks the Docker API. `start DIR` prints its socket's address; `stop DIR` ends it with its
# containers and removes DIR. Its only image, `flowforge-test`, is a busybox, so no registry is needed. Where no container can be
# run it prints nothing and says why.
set -eu

# runc, since crun refuses machines that have both versions of control groups.
engine() {
    (replace "$@")
}

# The same instead of this shell, so that its number is podman's.
replace() {
    dir=$1
    shift
    exec podman --root "$dir/root" --runroot "$dir/run" --tmpdir "$dir/tmp" --runtime runc --cgroup-manager cgroupfs "$@"
}

image() {
    rootfs=$1/rootfs
    mkdir -p "$rootfs"
    (cd "$rootfs" && mkdir bin tmp etc proc dev sys home run workspace)
    cp "$(command -v busybox)" "$rootfs/bin/busybox"
    for name in $("$rootfs/bin/busybox" --list); do
        [ -e "$rootfs/bin/$name" ] || ln -s busybox "$rootfs/bin/$name"
    done
    tar -C "$rootfs" -c . | engine "$1" import --quiet - flowforge-test >/dev/null
    rm -rf "$rootfs"
}

start() {
    for program in podman runc busybox; do
        command -v "$program" >/dev/null 2>&1 || { echo "flowforge: $program is missing" >&2; exit 1; }
    done
    mkdir -p "$1"
    image "$1"
    replace "$1" system service --time=0 "unix://$1/podman.sock" >"$1/log" 2>&1 &
    echo $! >"$1/pid"
    for _ in $(seq 100); do
        if [ -S "$1/podman.sock" ]; then break; fi
        sleep 0.1
    done
    if engine "$1" run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 flowforge-test /bin/true >>"$1/log" 2>&1; then
        echo "unix://$1/podman.sock"
    else
        tail -n 3 "$1/log" >&2
        stop "$1"
        echo "flowforge: no container can be run here" >&2
        exit 1
    fi
}

stop() {
    engine "$1" rm --all --force --time 0 >/dev/null 2>&1 || true
    if pid=$(cat "$1/pid" 2>/dev/null); then kill "$pid" 2>/dev/null || true; fi
    umount "$1/root/overlay" 2>/dev/null || true
    rm -rf "$1"
}

case ${1:-} in
    start | stop) "$1" "$2" ;;
    *)
        echo "usage: podman.sh start|stop DIR" >&2
        exit 2
        ;;
esac
