#!/usr/bin/env bash
# Fuzzes with atheris, starting with fuzz/corpus. Inputs that reach new code are kept in build/fuzz/corpus for the next
# run, inputs that break a rule or a limit in build/fuzz/findings.
set -euo pipefail

usage="Usage: ./fuzz/run.sh [TARGET] [SECONDS]

Fuzzes TARGET (replies, configuration, cookies, or tunnels), or all of them at once, for 60 seconds, or for SECONDS.
Exits with 1 and names the input if one breaks a rule or takes too much time or memory. Requires Python 3.11 to 3.13."

if [[ $#,${1-} =~ ^1,(-h|--help)$ ]]; then
    echo "$usage"
    exit
fi
targets=(replies configuration cookies tunnels)
case ${1-} in
    replies | configuration | cookies | tunnels) targets=("$1"); shift ;;
esac
seconds=${1:-60}
if [ $# -gt 1 ] || ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
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

fuzz() {
    local target=$1 status=0 finding findings=build/fuzz/findings/$1
    mkdir -p "build/fuzz/corpus/$target" "$findings"
    touch "build/fuzz/$target.started"

    # New inputs are written to the first directory only.
    "$environment/bin/python" -m fuzz "$target" -max_total_time="$seconds" -artifact_prefix="$findings/" \
        "build/fuzz/corpus/$target" "fuzz/corpus/$target" || status=$?
    [ $status != 0 ] || return 0

    finding=$(find "$findings" -type f -newer "build/fuzz/$target.started" | head -n 1)
    echo >&2
    if [ -n "$finding" ]; then
        echo "Found: $finding. To reproduce it: ${environment#"$root"/}/bin/python -m fuzz $target $finding" >&2
    else
        echo "The fuzzer of $target failed with status $status." >&2
    fi
    return 1
}

if [ ${#targets[@]} = 1 ]; then
    fuzz "${targets[0]}"
    exit
fi
mkdir -p build/fuzz
fuzzers=() failed=0
for target in "${targets[@]}"; do
    fuzz "$target" >"build/fuzz/$target.log" 2>&1 &
    fuzzers+=($!)
done
for number in "${!targets[@]}"; do
    wait "${fuzzers[$number]}" || failed=1
    cat "build/fuzz/${targets[$number]}.log"
done
exit $failed
