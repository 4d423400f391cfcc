#!/usr/bin/env bash
# Print the path of Alertmanager: the one on PATH, or one unpacked from Debian's package into .venv. amtool lies beside it.
# Nothing is configured and no service starts; Debian's build reads its templates from /usr/share, which needs root once.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v prometheus-alertmanager; then exit 0; fi
unpacked=.venv/alertmanager/usr/bin/prometheus-alertmanager
templates=usr/share/prometheus/alertmanager
fix="Alertmanager is missing: run 'sudo apt-get update && sudo apt-get install prometheus-alertmanager'"
if [[ ! -x $unpacked ]]; then
    if ! command -v apt-get >/dev/null; then
        echo "Alertmanager is missing: install the package 'prometheus-alertmanager' of your system" >&2
        exit 1
    fi
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    chmod 755 "$folder"
    download() { (cd "$folder" && apt-get -q download prometheus-alertmanager >&2); }
    # A fresh machine has no package lists; refreshing them needs root.
    download || { apt-get -q update >&2 && download; } || { echo "$fix" >&2 && exit 1; }
    # Put in place at once: whoever asks meanwhile finds all of it or nothing, and the first one stays.
    mkdir -p .venv
    unpacking=$(mktemp -d .venv/alertmanager-XXXXXX)
    chmod 755 "$unpacking"
    dpkg-deb --extract "$folder"/prometheus-alertmanager_*.deb "$unpacking"
    mv --no-target-directory "$unpacking" .venv/alertmanager 2>/dev/null || rm -rf "$unpacking"
fi
for template in default.tmpl email.tmpl; do
    if [[ ! -e /$templates/$template ]]; then
        install -D --mode=644 ".venv/alertmanager/$templates/$template" "/$templates/$template" 2>/dev/null ||
            { echo "$fix" >&2 && exit 1; }
    fi
done
echo "$PWD/$unpacked"
