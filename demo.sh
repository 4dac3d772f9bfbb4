#!/usr/bin/env bash
# Logs in through the plugin's zip on this terminal, with no SPS and no RADIUS server but the demo's own.
set -euo pipefail

usage="Usage: ./demo.sh [--script]

Builds the plugin's zip, starts a RADIUS server on loopback and plays SPS: you log in as one of the demo's users.
With --script, or without a terminal, plays one login for each outcome and exits 1 if any is not as expected."

case $#,${1-} in
    0, | 1,--script) ;;
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
exec "$environment/bin/python" -m simulator.demo "$@" "$zip"
