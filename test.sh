#!/usr/bin/env bash
# Runs the tests on each Python that SPS has had and this machine has, or else on its python3.
#
#   ./test.sh [--require-all] [pytest's arguments]
#
# --require-all: a Python that is not here, a skipped test or a coverage of lib/ below 95 % is a failure.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/tools/environment.sh"
cd -- "$root"

require_all=
if [ "${1:-}" = --require-all ]; then
    require_all=yes
    export TESTS_MAY_NOT_SKIP=1
    shift
fi

failed=
pythons=()
left_out=()
for version in 3.6 3.8 3.12; do
    if python=$(find_python "$version"); then
        pythons+=("$python")
    else
        left_out+=("Python $version: left out, not on this machine")
        failed=$require_all
    fi
done
if [ ${#pythons[@]} = 0 ]; then
    python=$(default_python)
    pythons=("$python")
fi
# Coverage is taken on one of them: on 3.8, as from 3.12 tracing costs a second for each of the many processes.
for python in "${pythons[@]}"; do
    traced=$python
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))'; then break; fi
done

# One zip for all, as it will be uploaded.
builder=$(make_environment "${pythons[0]}")
SPS_RADIUS_ZIP=$(build_zip "$builder")
export SPS_RADIUS_ZIP

# Prints "N passed, N failed, N skipped" from pytest's results in the XML files given, added up.
count() {
    "$builder/bin/python" -c '
import sys
from xml.etree import ElementTree
suites = [suite for name in sys.argv[1:] for suite in ElementTree.parse(name).iter("testsuite")]
total, errors, failures, skipped = (
    sum(int(suite.get(key)) for suite in suites) for key in ("tests", "errors", "failures", "skipped"))
print(f"{total - errors - failures - skipped} passed, {errors + failures} failed, {skipped} skipped")' "$@"
}

rm -rf build/results build/coverage
mkdir -p build/results build/coverage
report=()
for python in "${pythons[@]}"; do
    version=$("$python" -c 'import platform; print(platform.python_version())')
    if ! environment=$(make_environment "$python"); then
        report+=("Python $version: FAILED, no environment for it")
        failed=yes
        continue
    fi
    sdk=$(echo "$environment"/lib/python*/site-packages/oneidentity_safeguard_sessions_plugin_sdk-*.dist-info)
    sdk=${sdk##*_sdk-}
    title="Python $version, SDK ${sdk%.dist-info}"
    echo
    echo "$title"

    # Coverage of a part of the tests says nothing.
    covered=
    if [ "$python" = "$traced" ] && { [ $# = 0 ] || [ -n "$require_all" ]; }; then covered=yes; fi
    results=build/results/$version.xml
    status=0
    if [ -n "$covered" ]; then
        export COVERAGE_FILE=$root/build/coverage/data
        COVERAGE_PROCESS_START=$root/pyproject.toml \
            "$environment/bin/python" -m coverage run -m pytest --junitxml="$results" "$@" || status=$?
        if ! "$environment/bin/python" -m coverage combine --quiet ||
            ! "$environment/bin/python" -m coverage report ${require_all:+--fail-under=95}; then
            if [ -n "$require_all" ]; then
                failed=yes
                report+=("Coverage of lib/: FAILED, not 95 %")
            fi
        fi
    else
        "$environment/bin/python" -m pytest --junitxml="$results" "$@" || status=$?
    fi

    words=passed
    if [ $status != 0 ]; then
        words=FAILED
        failed=yes
    fi
    if [ -f "$results" ]; then words="$words, $(count "$results")"; fi
    report+=("$title: $words")
done

echo
printf '%s\n' ${left_out[@]+"${left_out[@]}"} "${report[@]}"
if ls build/results/*.xml >/dev/null 2>&1; then count build/results/*.xml; fi
[ -z "$failed" ]
