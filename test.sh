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

# Byte code is kept: every hook is a process, and most of what it would do is compile.
unset PYTHONDONTWRITEBYTECODE

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

# run PYTHON NAME COVERED [pytest's arguments]: runs the tests on one Python, for coverage if COVERED is not empty.
# The results go to NAME.xml, and what is to be told of them to NAME.report.
run() (
    python=$1 name=$2 covered=$3
    shift 3
    version=$("$python" -c 'import platform; print(platform.python_version())')
    if ! environment=$(make_environment "$python"); then
        echo "Python $version: FAILED, no environment for it" >"$name.report"
        exit 1
    fi
    sdk=$(echo "$environment"/lib/python*/site-packages/oneidentity_safeguard_sessions_plugin_sdk-*.dist-info)
    sdk=${sdk##*_sdk-}
    title="Python $version, SDK ${sdk%.dist-info}"
    echo
    echo "$title"

    status=0
    if [ -n "$covered" ]; then
        export COVERAGE_FILE=$root/build/coverage/data
        COVERAGE_PROCESS_START=$root/pyproject.toml \
            "$environment/bin/python" -m coverage run -m pytest --junitxml="$name.xml" "$@" || status=$?
        if ! "$environment/bin/python" -m coverage combine --quiet ||
            ! "$environment/bin/python" -m coverage report ${require_all:+--fail-under=95}; then
            if [ -n "$require_all" ]; then
                echo "Coverage of lib/: FAILED, not 95 %" >"$name.report"
                status=1
            fi
        fi
    else
        "$environment/bin/python" -m pytest --junitxml="$name.xml" "$@" || status=$?
    fi

    words=passed
    if [ $status != 0 ]; then words=FAILED; fi
    if [ -f "$name.xml" ]; then words="$words, $(count "$name.xml")"; fi
    echo "$title: $words" >>"$name.report"
    exit $status
)

rm -rf build/results build/coverage
mkdir -p build/results build/coverage
# As many at once as there are processors. What begins with the first is shown as it comes, the rest when it is over.
lanes=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
if [ "$lanes" -gt ${#pythons[@]} ]; then lanes=${#pythons[@]}; fi

# run_lane LANE [pytest's arguments]: runs every so manieth Python, one after another.
run_lane() {
    local lane=$1 number covered result=0
    shift
    for ((number = lane; number < ${#pythons[@]}; number += lanes)); do
        # Coverage of a part of the tests says nothing.
        covered=
        if [ "${pythons[$number]}" = "$traced" ] && { [ $# = 0 ] || [ -n "$require_all" ]; }; then covered=yes; fi
        run "${pythons[$number]}" "build/results/$number" "$covered" "$@" || result=1
    done
    return $result
}

jobs=()
trap 'for job in ${jobs[@]+"${jobs[@]}"}; do kill -- "-$job" 2>/dev/null || true; done' EXIT
for ((lane = 1; lane < lanes; lane++)); do
    set -m  # a process group of its own, which can be ended as one
    run_lane "$lane" "$@" >"build/results/lane$lane.log" 2>&1 </dev/null &
    set +m
    jobs+=($!)
done
run_lane 0 "$@" || failed=yes
for number in "${!jobs[@]}"; do
    wait "${jobs[$number]}" || failed=yes
    cat "build/results/lane$((number + 1)).log"
done

echo
printf '%s\n' ${left_out[@]+"${left_out[@]}"}
cat build/results/*.report
if ls build/results/*.xml >/dev/null 2>&1; then count build/results/*.xml; fi
[ -z "$failed" ]
