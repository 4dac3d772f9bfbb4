#!/usr/bin/env bash
# Builds dist/SPS_RADIUS-<version>.zip, and reports every rule of SPS that the tree breaks.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/tools/environment.sh"

python=$(default_python)
environment=$(make_environment "$python")
exec "$environment/bin/python" "$root/tools/build.py" "$@"
