#!/usr/bin/env bash
# Print the path of pgbouncer: the one on PATH, or one unpacked from Debian's packages into .venv.
# Unpacking installs nothing, needs no root and starts no service; the tests of poolers are skipped where it fails.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v pgbouncer; then exit 0; fi
unpacked=.venv/pgbouncer
if [[ ! -x $unpacked/run ]]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    chmod 755 "$folder"
    (cd "$folder" && apt-get -q download pgbouncer libc-ares2 >&2)
    for package in "$folder"/*.deb; do dpkg-deb --extract "$package" "$unpacked"; done
    # Its one library that a plain Debian lacks lies beside it.
    libraries=$(dirname "$(find "$PWD/$unpacked" -name 'libcares.so.2')")
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$libraries" "$PWD/$unpacked/usr/sbin/pgbouncer" >"$unpacked/run"
    chmod 755 "$unpacked/run"
fi
echo "$PWD/$unpacked/run"
