#!/bin/sh
# Brings the web app's packages (`install`) and its bundle (`build`) up to date, and does nothing when they are.
set -eu
cd "$(dirname "$0")/../../frontend"

install() {
    stamp=node_modules/.flowforge-installed
    if ! cmp -s package-lock.json "$stamp"; then
        echo "installing the web packages"
        npm ci --no-audit --no-fund --loglevel=error
        cp package-lock.json "$stamp"
    fi
}

# A source file that is newer than the bundle, or removed since, makes the bundle stale.
fresh() {
    [ -f dist/index.html ] || return 1
    newer=$(find . \( -name node_modules -o -name dist \) -prune -o -newer dist/index.html \( -type f -o -type d ! -name . \) -print | head -n 1)
    [ -z "$newer" ]
}

case ${1:-} in
    install) install ;;
    build)
        install
        if ! fresh; then
            echo "building the web app"
            npm run --silent build
        fi
        ;;
    *)
        echo "usage: web.sh install|build" >&2
        exit 2
        ;;
esac
