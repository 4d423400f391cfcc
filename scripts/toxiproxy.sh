#!/usr/bin/env bash
# Print the path of toxiproxy-server, which the tests put before Kafka; built into .venv from modules pinned by go.sum.
set -euo pipefail
cd "$(dirname "$0")/.."

built=$PWD/.venv/toxiproxy/toxiproxy-server
if [[ ! -x $built || tests/toxiproxy/go.sum -nt $built ]]; then
    if ! command -v go >/dev/null; then
        echo "Go is missing: install Go 1.23 or later, then run this again" >&2
        exit 1
    fi
    (cd tests/toxiproxy && go build -trimpath -o "$built" github.com/Shopify/toxiproxy/v2/cmd/server) >&2
fi
echo "$built"
