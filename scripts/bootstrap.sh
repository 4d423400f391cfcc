#!/bin/sh
# Find a Python this project runs on and let it make the environment: bootstrap.sh VENV REQUIREMENTS
# PYTHON=... names one; otherwise the newest of those on PATH is taken.
set -eu
cd "$(dirname "$0")/.."

fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
try() {
    candidate=$1
    shift
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$fits" 2>/dev/null; then
        exec "$candidate" -I scripts/bootstrap.py "$@"
    fi
}
if [ -n "${PYTHON:-}" ]; then
    try "$PYTHON" "$@"
else
    for name in python3.14 python3.13 python3.12 python3.11 python3 python; do try "$name" "$@"; done
fi
echo "Tactus needs Python 3.11 to 3.14, and ${PYTHON:-none on PATH} is not." >&2
echo "Debian or Ubuntu: apt-get install python3 python3-venv   Others: make PYTHON=/path/to/python ..." >&2
exit 1
