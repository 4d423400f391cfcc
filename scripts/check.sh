#!/usr/bin/env bash
# Everything that can be checked without running the product: `make check`. Prints one line a check.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=()

check() {
    local name=$1
    shift
    local output
    if output=$("$@" 2>&1); then
        printf 'ok    %s\n' "$name"
    else
        printf 'FAIL  %s\n%s\n' "$name" "$output"
        failed+=("$name")
    fi
}

tracked() { git ls-files -z -- "$@" | xargs -0 -r ls -d 2>/dev/null; }

check "format"        "$bin/ruff" format --check --quiet .
check "lint"          "$bin/ruff" check --quiet .
check "types"         "$bin/mypy"
check "imports"       "$bin/lint-imports" --no-logo
check "yaml"          "$bin/yamllint" --strict $(tracked '*.yml' '*.yaml' ':!schemas/generated')
check "shell"         bash -c 'for file; do bash -n "$file" || exit 1; done' - $(tracked '*.sh' .ci/run)
check "generated"     "$bin/python" scripts/generated.py --check
check "requirements"  scripts/requirements.sh --check

if ((${#failed[@]})); then
    printf '\nfailed: %s\n' "${failed[*]}"
    exit 1
fi
printf '\nall checks passed\n'
