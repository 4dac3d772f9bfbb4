#!/usr/bin/env bash
# Logs in through the plugin's zip without SPS: on this terminal, or with ssh or telnet from another.
set -euo pipefail

usage="Usage: ./demo.sh [--verbose] [--script | [--ssh | --telnet] [FILE]]

Builds the plugin's zip, starts a RADIUS server on loopback, and stands in for SPS: you log in as one of the demo's
users. With --script, or without a terminal, runs one login for each outcome and exits with 1 if any is not as expected.
With --ssh or --telnet, waits on loopback for your own ssh or telnet client, and prints the command to type.
FILE is a configuration of the plugin with your own RADIUS servers, which then replace the demo's. The demo checks FILE
first, and asks for the value of each option that is set to \`$\`. --verbose shows every line of the log."

fail() {
    echo "$1" >&2
    exit 2
}

reject() {
    fail "Unexpected argument: $1

$usage"
}

mode='' file='' options=()
for argument; do
    case $argument in
        -h | --help)
            echo "$usage"
            exit
            ;;
        --verbose) options+=("$argument") ;;
        --script | --ssh | --telnet)
            [ -z "$mode" ] || reject "$argument"
            mode=$argument
            options+=("$mode")
            ;;
        -*) reject "$argument" ;;
        *)
            [ -z "$file" ] || reject "$argument"
            file=$argument
            ;;
    esac
done
if [ -n "$file" ]; then
    [ "$mode" != --script ] || reject "$file"
    [ -f "$file" ] || fail "There is no file $file."
    directory=$(CDPATH='' cd -- "$(dirname -- "$file")" && pwd -P)
    options+=(--configuration "$directory/$(basename -- "$file")")
fi

# shellcheck source=tools/environment.sh
. "$(dirname -- "$0")/tools/environment.sh"
python=$(default_python)
environment=$(make_environment "$python")
zip=$(build_zip "$environment")
cd -- "$root"
exec "$environment/bin/python" -m simulator.demo ${options[@]+"${options[@]}"} "$zip"
