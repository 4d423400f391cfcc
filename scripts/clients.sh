#!/usr/bin/env bash
# Install what the tests with real clients need: npm packages by their lock, and where it may, Debian's Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "Node.js is missing: install Node.js 20 or later with npm, then run this again" >&2
    exit 1
fi
# Packages of this very lock are not fetched again.
if ! cmp --silent tests/clients/package-lock.json tests/clients/node_modules/.locked; then
    (cd tests/clients && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp tests/clients/package-lock.json tests/clients/node_modules/.locked
fi
if ! command -v chromium >/dev/null; then
    if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "Chromium is missing: run 'sudo apt-get install chromium', then run this again" >&2
        exit 1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends chromium >/dev/null ||
        { apt-get -q update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends chromium >/dev/null; }
fi
