#!/usr/bin/env bash
# Checks the code without running it (ruff, mypy, and the syntax of Python 3.6), and the picture in the README.
set -euo pipefail
# shellcheck source=tools/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"
cd -- "$root"

python=$(find_python 3.12 || find_python 3.13 || find_python 3.11 || find_python 3.10) || {
    echo "The checks require Python 3.10 to 3.13." >&2
    exit 1
}
environment=$(make_environment "$python" check)
PATH=$environment/bin:$PATH
ours=(lib main.py simulator tools tests fuzz)
status=0

ruff check --quiet --output-format concise . || status=1
ruff format --quiet --check . || { echo "Some files are not formatted: run .venv/check/bin/ruff format ." >&2; status=1; }
mypy || status=1
python -m tools.picture --check || status=1
# vermin does not know the type of the object that is decoded; mypy does.
vermin --quiet --no-tips --violations --exclude str.decode --exclude 'hashlib.md5(usedforsecurity)' --target=3.6- "${ours[@]}" || status=1
if python36=$(find_python 3.6); then
    find "${ours[@]}" -name '*.py' -exec "$python36" -c 'import sys
for name in sys.argv[1:]:
    compile(open(name, "rb").read(), name, "exec")' {} + || status=1
fi
[ $status = 0 ] || echo "The checks failed." >&2
exit $status
