#!/usr/bin/env bash
# Compile the hashed requirements out of pyproject.toml, or with --check tell whether they are what it says.
# Pins that still fit are kept, so a check does not fail because somebody published a release.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compile() {
    local name=$1
    shift
    mkdir -p "$folder/$(dirname "$name")"
    if [[ -f $name ]]; then cp "$name" "$folder/$name"; fi
    "$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
        --python-version 3.11 "$@" --output-file "$folder/$name" >"$folder/log" 2>&1
}

each() {
    compile requirements.txt pyproject.toml
    compile requirements-embedded.txt --extra embedded pyproject.toml
    compile requirements-dev.txt --extra embedded --extra parquet --extra learn --extra apprise --extra dev pyproject.toml
    compile requirements-bench.txt --extra embedded --extra bench --override bench/overrides.txt pyproject.toml
    compile deploy/docker/requirements-build.txt deploy/docker/requirements-build.in
}

files=(requirements.txt requirements-embedded.txt requirements-dev.txt requirements-bench.txt
    deploy/docker/requirements-build.txt)

if ! each; then
    if [[ ${1:-} == --check && -z ${CI:-} ]] && grep -qiE 'connect|dns|network|timed out|offline' "$folder/log"; then
        echo "the package index cannot be reached: requirements not checked (CI checks them)"
        exit 0
    fi
    cat "$folder/log" >&2
    exit 1
fi

if [[ ${1:-} == --check ]]; then
    for name in "${files[@]}"; do
        if ! cmp --silent "$name" "$folder/$name"; then
            echo "$name is not what pyproject.toml says: run scripts/requirements.sh" >&2
            exit 1
        fi
    done
else
    for name in "${files[@]}"; do cp "$folder/$name" "$name"; done
fi
