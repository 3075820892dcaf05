#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

set -euo pipefail

usage() {
    cat <<'EOF'
Add the component hooks that live capture uses to an InvenioRDM that lacks them.

    ./apply_patches.sh [--check] [--revert] [ENVIRONMENT]

Looks at the code of invenio-rdm-records and invenio-requests that is installed in
ENVIRONMENT (the path of a virtual environment; default: the active one) and patches
only what lacks hooks. Each file is kept beside the patched one. What is not
recognised is refused, and then nothing at all is changed. Can be run again.

    --check   say what would be done, and change nothing
    --revert  give every patched file its original content back
    -h, --help

exit codes: 0 done, or nothing to do; 1 refused or failed; 2 wrong use;
            3 with --check: there is something to do
EOF
}

fail() {
    printf 'apply_patches.sh: %s\n' "$*" >&2
    exit 2
}

options=()
environment=""
for argument in "$@"; do
    case "$argument" in
    --check | --revert) options+=("$argument") ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) fail "unknown option $argument; see --help." ;;
    "") fail "the path of the environment is empty." ;;
    *)
        [[ -z "$environment" ]] || fail "more than one environment was given; see --help."
        environment="$argument"
        ;;
    esac
done

environment="${environment:-${VIRTUAL_ENV:-}}"
if [[ -n "$environment" ]]; then
    python="$environment/bin/python"
    [[ -x "$python" ]] || fail "$environment is not a Python environment: it has no bin/python."
else
    python="$(command -v python3)" ||
        fail "no environment is active and there is no python3: give the path of an environment."
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' ||
    fail "$python is older than Python 3.8, which no InvenioRDM that can be patched runs on."

# -B: no compiled files are left beside the patches
exec "$python" -B "$(dirname "${BASH_SOURCE[0]}")/invenio_stats_dashboard/patches/__main__.py" \
    ${options[@]+"${options[@]}"}
