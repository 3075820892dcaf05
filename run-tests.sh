#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'EOF'
Run all checks and tests.

    ./run-tests.sh [-K | --keep-services] [--no-lint] [PYTEST ARGUMENTS]

Makes the virtual environment (scripts/environment), starts the services that
are not named by the environment (scripts/services), checks style, manifest and
documentation, tests the JavaScript (scripts/test-js), and runs pytest with the
arguments given.

    -K, --keep-services  leave the services running afterwards; services that
                         ran before are left running anyway
    --no-lint            only pytest

examples:
    ./run-tests.sh
    ./run-tests.sh -K --no-lint tests/cli -x -k status
EOF
}

keep_services=""
lint="yes"
pytest_arguments=()
for argument in "$@"; do
    case "$argument" in
    -K | --keep-services) keep_services="yes" ;;
    --no-lint) lint="" ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) pytest_arguments+=("$argument") ;;
    esac
done

step_name="start"
step_began=0
services_touched=""

# Say what is done, do it, and say how long it took; finish() tells of a failure,
# because a condition around "$@" would switch `set -e` off inside it.
step() {
    step_name="$1"
    step_began="$SECONDS"
    shift
    printf '\n==> %s\n' "$step_name"
    "$@"
    printf '==> %s: %d s\n' "$step_name" "$((SECONDS - step_began))"
}

finish() {
    local code="$?"
    if [[ "$code" != 0 ]]; then
        printf '\n==> %s failed after %d s\n' "$step_name" "$((SECONDS - step_began))"
    fi
    if [[ -n "$services_touched" && -z "$keep_services" ]]; then
        scripts/services down || true
    fi
    printf '==> %s after %d s\n' "$([[ "$code" == 0 ]] && echo passed || echo stopped)" "$SECONDS"
    exit "$code"
}
trap finish EXIT

make_environment() {
    VIRTUAL_ENV="$(scripts/environment)"
    export VIRTUAL_ENV PATH="$VIRTUAL_ENV/bin:$PATH"
}

check_style() {
    local sources=(. scripts/services scripts/browser) # no suffix to be found by
    black --check --quiet --diff "${sources[@]}"
    isort --check-only --diff --skip-gitignore "${sources[@]}"
    ruff check --quiet "${sources[@]}"
    pydocstyle invenio_stats_dashboard scripts/lib
    if grep -qs '^\[tool\.mypy\]' pyproject.toml; then
        mypy
    fi
}

check_documentation() {
    sphinx-build -qnNW docs docs/_build/html
}

# Without a browser its tests are skipped, except where nobody could install one.
prepare_pages() {
    CHROMIUM="$(scripts/browser)" || [[ "${CI:-}" != true ]]
    export CHROMIUM
    python -W ignore -m scripts.site
}

run_pytest() {
    python -m pytest "${pytest_arguments[@]}"
}

start_services() {
    if scripts/services status >/dev/null 2>&1; then
        keep_services="yes"
    fi
    services_touched="yes"
    scripts/services up
}

step "environment" make_environment
step "services" start_services
eval "$(scripts/services env)"
if [[ -n "$lint" ]]; then
    step "style" check_style
    step "manifest" check-manifest --quiet
    step "documentation" check_documentation
    step "JavaScript" scripts/test-js
fi
# a choice of tests that needs the pages builds them itself
if [[ "${#pytest_arguments[@]}" == 0 ]]; then
    step "pages" prepare_pages
fi
step "tests" run_pytest
