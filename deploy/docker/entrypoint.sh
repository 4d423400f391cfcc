#!/bin/sh
# Hand secrets that lie in files to the process, then become it.
set -eu

if [ -n "${HASH_KEY_FILE:-}" ]; then
    TACTUS_HASH_KEY=$(cat "$HASH_KEY_FILE")
    export TACTUS_HASH_KEY
fi
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    # The Postgres client reads this variable, so the password stands in no connection URL.
    PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    export PGPASSWORD
fi
if [ -n "${OPERATOR_KEY_FILE:-}" ] && [ -f "$OPERATOR_KEY_FILE" ]; then
    TACTUS_API__OPERATOR_KEY=$(cat "$OPERATOR_KEY_FILE")
    export TACTUS_API__OPERATOR_KEY
fi
exec "$@"
