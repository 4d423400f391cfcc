#!/usr/bin/env bash
# Print the path of toxiproxy-server, which the tests put before Kafka; built beside its go.sum, which pins its modules.
# Not into .venv, which is made anew when the requirements change.
set -euo pipefail
cd "$(dirname "$0")/.."

built=$PWD/tests/toxiproxy/bin/toxiproxy-server
if [[ ! -x $built || tests/toxiproxy/go.sum -nt $built ]]; then
    if ! command -v go >/dev/null; then
        echo "Go is missing: install Go 1.23 or later, then run this again" >&2
        exit 1
    fi
    (cd tests/toxiproxy && go build -trimpath -o "$built" github.com/Shopify/toxiproxy/v2/cmd/server) >&2
fi
echo "$built"
