#!/usr/bin/env bash
# Logs in through the plugin's zip without SPS: on this terminal, or with ssh or telnet from another.
set -euo pipefail

usage="Usage: ./demo.sh [--script | --ssh [FILE] | --telnet [FILE]]

Builds the plugin's zip, starts a RADIUS server on loopback, and stands in for SPS: you log in as one of the demo's
users. With --script, or without a terminal, runs one login for each outcome and exits with 1 if any is not as expected.
With --ssh or --telnet, waits on loopback for your own ssh or telnet client, and prints the command to type.
FILE is a configuration of the plugin with your own RADIUS servers, which then replace the demo's."

options=("$@")
case $#,${1-} in
    0, | 1,--script | 1,--ssh | 1,--telnet) ;;
    2,--ssh | 2,--telnet)
        if ! directory=$(CDPATH='' cd -- "$(dirname -- "$2")" 2>/dev/null && pwd -P) || ! [ -f "$2" ]; then
            echo "There is no file $2." >&2
            exit 2
        fi
        options=("$1" --configuration "$directory/$(basename -- "$2")")
        ;;
    1,-h | 1,--help)
        echo "$usage"
        exit
        ;;
    *)
        echo "$usage" >&2
        exit 2
        ;;
esac

# shellcheck source=tools/environment.sh
. "$(dirname -- "$0")/tools/environment.sh"
python=$(default_python)
environment=$(make_environment "$python")
zip=$(build_zip "$environment")
cd -- "$root"
exec "$environment/bin/python" -m simulator.demo ${options[@]+"${options[@]}"} "$zip"
