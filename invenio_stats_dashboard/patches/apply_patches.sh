#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

set -euo pipefail

usage() {
    cat <<'USAGE'
Give an older InvenioRDM the service hooks that it lacks.

    apply_patches.sh [--check | --revert] [ENVIRONMENT]

Looks at the code of invenio-rdm-records and invenio-requests that is installed in
the environment (default: the active one), and patches what has no component hooks
for record communities and request events. Nothing is changed where the code has
the hooks, and nothing at all where any of it is unknown. Each patched file has a
backup beside it. Running this again is safe, also after it was interrupted.

    --check   say what would be done, change nothing
    --revert  put the backups back

Exit code 0: done, or nothing to do. 1: refused or failed, nothing was changed.
2: wrong use. 3: --check found something to patch. See docs/older-versions.md.
USAGE
}

fail() {
    printf 'apply_patches.sh: %s\n' "$*" >&2
    exit 2
}

options=()
environment=""
for argument in "$@"; do
    case "$argument" in
    -h | --help)
        usage
        exit 0
        ;;
    --check | --revert) options+=("$argument") ;;
    -*) fail "unknown option $argument; see --help." ;;
    *)
        [[ -z "$environment" ]] || fail "more than one environment is named; see --help."
        [[ -n "$argument" ]] || fail "the environment named is empty; see --help."
        environment="$argument"
        ;;
    esac
done

environment="${environment:-${VIRTUAL_ENV:-${CONDA_PREFIX:-}}}"
if [[ -n "$environment" ]]; then
    [[ -d "$environment" ]] || fail "there is no folder $environment."
    environment="$(cd "$environment" && pwd)"
    python="$environment/bin/python"
    [[ -x "$python" ]] || python="$environment/bin/python3"
    [[ -x "$python" ]] || fail "$environment has no bin/python: name the folder of a Python environment."
else
    python="$(command -v python3 || command -v python)" || fail "no environment is active: name one."
fi

# From here, so that the code beside this script is found and nothing else is: no
# checkout of a package that happens to be in the folder one stands in.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONSAFEPATH
exec "$python" -B -m patches ${options[@]+"${options[@]}"}
