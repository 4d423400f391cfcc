#!/usr/bin/env bash
# Print the path of promtool: the one on PATH, or one unpacked from Debian's package into .venv.
# Unpacking installs nothing, needs no root and starts no service.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v promtool; then exit 0; fi
unpacked=.venv/promtool/usr/bin/promtool
if [[ ! -x $unpacked ]]; then
    if ! command -v apt-get >/dev/null; then
        echo "promtool is missing: install the package 'prometheus' of your system, then run this again" >&2
        exit 1
    fi
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    chmod 755 "$folder"
    download() { (cd "$folder" && apt-get -q download prometheus >&2); }
    if ! download; then
        # A fresh machine has no package lists; refreshing them needs root.
        { apt-get -q update >&2 && download; } || {
            echo "promtool is missing: run 'sudo apt-get update && sudo apt-get install prometheus'" >&2
            exit 1
        }
    fi
    # Put in place at once: whoever asks meanwhile finds all of it or nothing, and the first one stays.
    mkdir -p .venv
    unpacking=$(mktemp -d .venv/promtool-XXXXXX)
    chmod 755 "$unpacking"
    dpkg-deb --extract "$folder"/prometheus_*.deb "$unpacking"
    mv --no-target-directory "$unpacking" .venv/promtool 2>/dev/null || rm -rf "$unpacking"
fi
echo "$PWD/$unpacked"
