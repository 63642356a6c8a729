#!/bin/sh
# Fetches the engines that the benchmark measures beside FlowForge into target/peers. Without them it measures the rest.
set -u
cd "$(dirname "$0")"
home=../../../target/peers

for peer in restate dbos; do
    mkdir -p "$home/$peer"
    rm -f "$home/$peer/app.mjs"
    if ! cmp -s "$peer/package.json" "$home/$peer/.installed"; then
        cp "$peer/package.json" "$home/$peer/package.json"
        if ! timeout 180 npm install --prefix "$home/$peer" --no-audit --no-fund --loglevel=error >"$home/$peer/npm.log" 2>&1; then
            echo "flowforge: npm could not fetch $peer, so it is not measured; see target/peers/$peer/npm.log" >&2
            continue
        fi
        cp "$peer/package.json" "$home/$peer/.installed"
    fi
    cp "$peer/app.mjs" "$home/$peer/app.mjs"
done
