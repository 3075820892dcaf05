#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'EOF'
Run all checks and tests.

    ./run-tests.sh [--invenio VERSION] [--quick | --chosen] [--coverage]
                   [-K | --keep-services] [--no-lint] [PYTEST ARGUMENTS]

Makes the virtual environment (scripts/environment), starts the services that
are not named by the environment (scripts/services), checks style, manifest and
documentation, tests the JavaScript (scripts/test-js), and runs pytest with the
arguments given.

    --invenio VERSION    test with InvenioRDM 13.1, 14 or 15, in an environment of its
                         own; without it, with that of the active environment or 14
    --chosen             only the tests that are run with every supported version
                         (tests/helpers/chosen.py), and no checks
    --quick              no system tests: none that kill a process, start a
                         service or node of their own, or open a browser
    --coverage           show what the tests have run, by folder; it fails where
                         that is too little
    -K, --keep-services  leave the services running afterwards; services that
                         ran before are left running anyway
    --no-lint            only pytest

All tests run in two processes beside each other, tests that are named in one
(-n 2 makes it two). The durations of the last run are in .tests/junit.xml;
benchmarks/test_suite.py makes tables of them. Services that are started here
store their data in memory where there is enough (SERVICES_DATA=disk does not).

examples:
    ./run-tests.sh
    ./run-tests.sh --quick
    ./run-tests.sh --all-kills
    ./run-tests.sh --invenio 13.1 --chosen
    ./run-tests.sh -K --no-lint tests/cli -x -k status
EOF
}

keep_services=""
lint="yes"
quick=""
coverage=""
named=""
chosen=""
environment_options=()
pytest_arguments=()
while (($#)); do
    case "$1" in
    --invenio)
        environment_options=("$1" "${2:-}")
        (($# == 1)) || shift
        ;;
    --invenio=*) environment_options=(--invenio "${1#*=}") ;;
    --chosen)
        chosen="yes"
        lint=""
        ;;
    -K | --keep-services) keep_services="yes" ;;
    --no-lint) lint="" ;;
    --quick) quick="yes" ;;
    --coverage) coverage="yes" ;;
    --all-kills | --kill-seed=*) pytest_arguments+=("$1") ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        named="yes"
        pytest_arguments+=("$1")
        ;;
    esac
    shift
done
if [[ -n "$chosen" && -n "$named" ]]; then
    printf 'run-tests.sh: --chosen chooses the tests itself: leave out other arguments.\n' >&2
    exit 2
fi

results=".tests"
mkdir -p "$results"

# Python compiles three thousand modules for each application that a test builds,
# unless it may write down what it has compiled.
unset PYTHONDONTWRITEBYTECODE
# OpenSearch compiles less, collects garbage in one thread, and waits for no disk:
# tests create and delete thousands of small indices, and end before better code pays.
export SERVICES_DATA="${SERVICES_DATA:-memory}"
opensearch_options="-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC"
export SERVICES_OPENSEARCH_JAVA_OPTS="${SERVICES_OPENSEARCH_JAVA_OPTS-$opensearch_options}"

step_name="start"
step_began=0
outcome=""
services_touched=""
declare -A background=() background_began=()

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

# Begin something that is done beside the rest; its output waits in a file.
begin() {
    local name="$1"
    shift
    ("$@") >"$results/$name.log" 2>&1 &
    background["$name"]="$!"
    background_began["$name"]="$SECONDS"
}

# Wait for what was begun, and show what it has printed.
end() {
    step_name="$1"
    step_began="${background_began[$1]}"
    printf '\n==> %s\n' "$step_name"
    local code=0
    wait "${background[$1]}" || code="$?"
    unset "background[$1]"
    cat "$results/$1.log"
    [[ "$code" == 0 ]] || exit "$code"
    printf '==> %s: %d s\n' "$step_name" "$((SECONDS - step_began))"
}

finish() {
    local code="$?"
    if [[ "$code" != 0 ]]; then
        printf '\n==> %s failed after %d s\n' "$step_name" "$((SECONDS - step_began))"
    fi
    for name in "${!background[@]}"; do
        kill "${background[$name]}" 2>/dev/null || true
        wait "${background[$name]}" 2>/dev/null || true
    done
    if [[ -n "$services_touched" && -z "$keep_services" ]]; then
        scripts/services down || true
    fi
    printf '==> %s after %d s\n' "${outcome:-stopped}" "$SECONDS"
    exit "$code"
}
trap finish EXIT

make_environment() {
    VIRTUAL_ENV="$(scripts/environment ${environment_options[@]+"${environment_options[@]}"})"
    export VIRTUAL_ENV PATH="$VIRTUAL_ENV/bin:$PATH"
}

check_style() {
    local sources=(. scripts/services scripts/browser) # no suffix to be found by
    black --check --quiet --diff "${sources[@]}"
    isort --check-only --diff --skip-gitignore "${sources[@]}"
    ruff check --quiet "${sources[@]}"
    pydocstyle invenio_stats_dashboard scripts/lib
    python -m scripts.check_names
    python -m scripts.check_words
    lint-imports
    mypy --cache-dir .tests/mypy
    check-manifest --quiet
}

check_documentation() {
    sphinx-build -qnNW docs docs/_build/html
}

build_pages() {
    python -W ignore -m scripts.site
}

# Without a browser its tests are skipped, except where nobody could install one.
find_browser() {
    CHROMIUM="$(scripts/browser)" || [[ "${CI:-}" != true ]]
    export CHROMIUM
}

run_pytest() {
    local options=(--junit-xml="$results/junit.xml")
    if [[ -n "$chosen" ]]; then
        local files
        files="$(python -m tests.helpers.chosen)"
        mapfile -t -O "${#options[@]}" options <<<"$files"
    fi
    if [[ -z "$named" ]]; then
        options+=(-n "$(python -W ignore -m tests.helpers.balance)")
    fi
    if [[ -n "$quick" ]]; then
        options+=(-m "not system")
    fi
    if [[ -n "$coverage" ]]; then
        options+=(--cov --cov-report=)
    fi
    # On CI, pytest computes the whole difference of two values that should be equal.
    # For large documents that takes hours.
    env -u CI -u BUILD_NUMBER python -m pytest "${options[@]}" \
        ${pytest_arguments[@]+"${pytest_arguments[@]}"}
}

show_coverage() {
    python -m scripts.coverage_by_folder
}

start_services() {
    scripts/services up
}

step "environment" make_environment
if scripts/services status >/dev/null 2>&1; then
    keep_services="yes"
fi
services_touched="yes"
begin "services" start_services
if [[ -n "$lint" ]]; then
    begin "style" check_style
    begin "documentation" check_documentation
    begin "JavaScript" scripts/test-js
fi
# A choice of tests that needs the pages builds them itself. Tests that need them
# wait for them; until then others run.
if [[ -z "$named" && -z "$quick" && -z "$chosen" ]]; then
    begin "pages" build_pages
    step "browser" find_browser
fi
for name in services style documentation JavaScript; do
    if [[ -n "${background[$name]:-}" ]]; then
        end "$name"
    fi
done
eval "$(scripts/services env)"
step "tests" run_pytest
if [[ -n "$coverage" ]]; then
    step "coverage" show_coverage
fi
if [[ -n "${background[pages]:-}" ]]; then
    end "pages"
fi
outcome="passed"
