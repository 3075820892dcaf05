#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
# SPDX-License-Identifier: MIT

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'USAGE'
Show the main job on a real InvenioRDM: usage events of 12 months are enriched and
moved while the site goes on writing and reading, and nothing is lost.

    ./run-demo.sh [OPTIONS]

    --full             300 records and 400,000 events in 18 months
    --events N         legacy view and download events (default: 40000)
    --records N        published records (default: 60)
    --months N         how long the site has run (default: 12; at most 18)
    --rate N           events a second of the writer (default: 50)
    --seed TEXT        another seed, other content and events
    --fresh            make content anew, too; without it, that of the last run is
                       used and only events and statistics are made anew
    --json FILE        write the figures to a file
    --serve            leave the site running in the end, to look at the pages
    --serve-only       only that, on what the last run has left
    --stop-serving     end the site
    --stop             stop the services in the end
    --keep-services    leave them running, to look further (this is the default)

Makes the virtual environment (scripts/environment), starts the services that the
environment does not name (scripts/services) and keeps all else in .demo/. Exit
code 0: every proof held. See docs/get-started.md.
USAGE
}

stop=""
serve=""
arguments=()
while (($#)); do
    case "$1" in
    -h | --help)
        usage
        exit 0
        ;;
    --serve) serve="yes" ;;
    --serve-only) serve="only" ;;
    --stop-serving) serve="stop" ;;
    --stop) stop="yes" ;;
    --keep-services) stop="" ;;
    *) arguments+=("$1") ;;
    esac
    shift
done

if [[ -n "$serve" && -n "$stop" ]]; then
    printf 'run-demo.sh: a site cannot be served without its services: leave out --stop.\n' >&2
    exit 2
fi

verdict="stopped"
background=()

finish() {
    local code="$?" pid
    for pid in ${background[@]+"${background[@]}"}; do
        kill "$pid" 2>/dev/null || true
    done
    if [[ -n "$stop" ]]; then
        scripts/services down || true
    fi
    printf '==> the demonstration %s after %d s\n' "$verdict" "$SECONDS"
    exit "$code"
}

make_environment() {
    VIRTUAL_ENV="$(scripts/environment)"
    export VIRTUAL_ENV PATH="$VIRTUAL_ENV/bin:$PATH"
}

if [[ "$serve" == stop ]]; then
    make_environment
    eval "$(scripts/services env)"
    exec python -W ignore -m scripts.demo.serve stop
fi
trap finish EXIT
# the services need no virtual environment, and start while it is made
scripts/services up &
services="$!"
background+=("$services")
make_environment
wait "$services"
eval "$(scripts/services env)"
if [[ "$serve" == only ]]; then
    trap - EXIT
    exec python -W ignore -m scripts.demo.serve start
fi
if [[ "$serve" == yes ]]; then
    # the pages are built while the content is made; whatever fails is shown below
    mkdir -p .demo
    python -W ignore -m scripts.site >.demo/pages.log 2>&1 &
    background+=("$!")
fi
# a log is wider than the 80 columns that programs take it for
[[ -t 1 ]] || export COLUMNS="${COLUMNS:-130}"
code=0
python -W ignore -m scripts.demo.run ${arguments[@]+"${arguments[@]}"} || code="$?"
verdict="$([[ "$code" == 0 ]] && echo passed || echo failed)"
if [[ "$serve" == yes ]]; then
    python -W ignore -m scripts.demo.serve start || code="$?"
fi
exit "$code"
