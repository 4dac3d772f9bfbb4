#!/usr/bin/env bash
# Runs the tests.
set -euo pipefail

usage="Usage: ./test.sh [unit | network | e2e | docs] [pytest's arguments]
       ./test.sh --require-all [pytest's arguments]

Runs all tests, or those in one directory of tests/, on python3 with three workers for each core.
With --require-all, runs all tests on Python 3.6, 3.8, and 3.12, and fails if one of these is missing, a test is
skipped, or the tests cover less than 95 % of lib/."

# shellcheck source=tools/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/tools/environment.sh"
cd -- "$root"

pythons=() require_all='' folder=tests
case ${1-} in
    --require-all)
        require_all=yes
        for version in 3.6 3.8 3.12; do
            python=$(find_python "$version") || { echo "There is no Python $version here." >&2; exit 1; }
            pythons+=("$python")
        done
        ;;
    unit | network | e2e | docs) folder=tests/$1 ;;
    -h | --help) echo "$usage"; exit ;;
    '' | -*) ;;
    *)
        if [ ! -e "${1%%::*}" ]; then
            echo "$usage" >&2
            exit 2
        fi
        folder=''  # pytest's own arguments name the tests
        ;;
esac
case $folder in tests/*) shift ;; esac
if [ -n "$require_all" ]; then shift; fi
if [ ${#pythons[@]} = 0 ]; then
    python=$(default_python)
    pythons=("$python")
fi

if [ -n "$require_all" ]; then
    export TESTS_MUST_NOT_SKIP=1
    # One process for each Python writes the byte code of the tests; otherwise, all workers would compile them.
    for python in "${pythons[@]}"; do
        environment=$(make_environment "$python") &&
            env -u PYTHONDONTWRITEBYTECODE -u COVERAGE_PROCESS_START \
                "$environment/bin/python" -m pytest --collect-only -qq tests &
    done >/dev/null
    wait
fi

# One zip for all Python versions, as on SPS.
environment=$(make_environment "${pythons[0]}")
SPS_RADIUS_ZIP=$(build_zip "$environment")
export SPS_RADIUS_ZIP

# Three for each core, since most tests wait for a process, a server or a timeout.
workers=$((3 * $(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)))
results=()
failed=''
for python in "${pythons[@]}"; do
    environment=$(make_environment "$python")
    version=${environment##*/}
    if [ -n "$require_all" ]; then
        # Coverage is measured on Python 3.8: from 3.12 on, tracing takes each process longer than its work.
        unset COVERAGE_PROCESS_START COVERAGE_FILE
        if [ "$version" = 3.8 ]; then
            rm -rf build/coverage && mkdir -p build/coverage
            export COVERAGE_PROCESS_START=$root/pyproject.toml COVERAGE_FILE=$root/build/coverage/data
        fi
    fi
    # Workers that have finished take tests from the others; the xdist for Python 3.6 and 3.7 cannot do this.
    case $version in 3.6 | 3.7) distribution='' ;; *) distribution=--dist=worksteal ;; esac
    echo "Python $version"
    result=passed
    "$environment/bin/python" -m pytest -n "$workers" ${distribution:+"$distribution"} "$@" ${folder:+"$folder"} ||
        result=FAILED
    if [ -n "${COVERAGE_PROCESS_START-}" ]; then
        "$environment/bin/python" -m coverage combine --quiet &&
            "$environment/bin/python" -m coverage report --fail-under=95 || result="FAILED (coverage below 95 %)"
    fi
    results+=("Python $version: $result")
    [ "$result" = passed ] || failed=yes
done

printf '%s\n' "${results[@]}"
[ -z "$failed" ]
