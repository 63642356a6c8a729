#!/bin/sh
# Says in one line which of the named tools is missing, and how to get it.
set -eu

hint() {
    case $1 in
        cargo) echo "install Rust from https://rustup.rs" ;;
        node | npm) echo "install Node.js 20 or newer from https://nodejs.org" ;;
        cc) echo "install a C compiler, e.g. apt-get install build-essential" ;;
        *) echo "install it with your system's package manager" ;;
    esac
}

fail() {
    echo "flowforge: $1" >&2
    exit 1
}

for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing: $(hint "$tool")"
done

case " $* " in *" node "*)
    found=$(node --version)
    major=${found#v}
    [ "${major%%.*}" -ge 20 ] || fail "node $found is too old: $(hint node)"
    ;;
esac

case " $* " in *" cargo "*)
    wanted=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' Cargo.toml)
    found=$(rustc --version | sed -n 's/^rustc 1\.\([0-9]*\).*/\1/p')
    [ "${found:-0}" -ge "${wanted:-0}" ] || fail "Rust 1.$found is too old, 1.$wanted is needed: run \`rustup update stable\`"
    ;;
esac
