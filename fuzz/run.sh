#!/usr/bin/env bash
# Fuzzes the reading of replies with atheris, starting with fuzz/corpus. Inputs that reach new code are kept in
# build/fuzz/corpus for the next run, inputs that break a rule or a limit in build/fuzz/findings.
set -euo pipefail

usage="Usage: ./fuzz/run.sh [SECONDS]

Fuzzes the reading of RADIUS replies for 60 seconds, or for SECONDS. Exits with 1 and names the input if one breaks a
rule or takes too much time or memory. Requires Python 3.11, 3.12 or 3.13."

seconds=${1:-60}
if [[ $#,${1-} =~ ^1,(-h|--help)$ ]]; then
    echo "$usage"
    exit
elif [ $# -gt 1 ] || ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "$usage" >&2
    exit 2
fi

# shellcheck source=tools/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../tools/environment.sh"
cd -- "$root"

python=$(find_python 3.12 || find_python 3.13 || find_python 3.11) || {
    echo "Fuzzing requires Python 3.11 to 3.13." >&2
    exit 1
}
environment=$(make_environment "$python" fuzz)
mkdir -p build/fuzz/corpus build/fuzz/findings
touch build/fuzz/started

# New inputs are written to the first directory only.
status=0
"$environment/bin/python" -m fuzz -max_total_time="$seconds" -artifact_prefix=build/fuzz/findings/ \
    build/fuzz/corpus fuzz/corpus || status=$?
[ $status != 0 ] || exit 0

finding=$(find build/fuzz/findings -type f -newer build/fuzz/started | head -n 1)
echo >&2
if [ -n "$finding" ]; then
    echo "Found: $finding. To reproduce it: ${environment#"$root"/}/bin/python -m fuzz $finding" >&2
else
    echo "The fuzzer failed with status $status." >&2
fi
exit 1
