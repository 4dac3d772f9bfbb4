# shellcheck shell=bash
# Sourced by the scripts: finds Pythons, and keeps virtual environments under .venv. Bash 3.2 will do.
#
#   root                                the path of this tree
#   find_python VERSION                 prints the path of a Python of that version (3.6); fails if none
#   default_python                      prints the path of the Python that is `python3` here
#   make_environment PYTHON [LIST]      prints the path of a ready environment for it, made at the first call, with
#                                       what is in requirements/LIST.txt too
#   build_zip ENVIRONMENT               builds the zip and prints its path

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

# Runs COMMAND, since a pyenv shim can be on the PATH and yet fail, and prints its version and its real path.
_ask_python() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2]); print(sys.executable)' 2>/dev/null </dev/null
}

find_python() {
    local candidate answer
    for candidate in "python$1" "${PYENV_ROOT:-/nowhere}/versions/$1".*/bin/python \
            "${HOME:-/nowhere}/.pyenv/versions/$1".*/bin/python python3 python; do
        answer=$(_ask_python "$candidate") || continue
        if [ "${answer%%$'\n'*}" = "$1" ]; then
            printf '%s\n' "${answer#*$'\n'}"
            return 0
        fi
    done
    return 1
}

default_python() {
    local candidate answer
    for candidate in python3 python; do
        answer=$(_ask_python "$candidate") || continue
        case ${answer%%$'\n'*} in
            2.* | 3.[0-5]) continue ;;
        esac
        printf '%s\n' "${answer#*$'\n'}"
        return 0
    done
    echo "Python 3.6 or newer is required, but no working python3 was found." >&2
    return 1
}

# A checksum of everything that an environment depends on. It is rebuilt if the requirements change or the tree moves,
# because the scripts in bin/ contain its path.
_stamp() {
    "$1" -c 'import hashlib, sys
text = sys.argv[1] + "".join(open(name, encoding="utf-8").read() for name in sys.argv[2:])
print(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest())' "${@:2}"
}

# Debian's python3 has no ensurepip, so `python3 -m venv` fails there; its pip then installs pip.
_make_venv() {
    "$1" -m venv "$2" && return 0
    rm -rf -- "$2"
    "$1" -m venv --without-pip "$2" &&
        "$1" -m pip install --require-hashes -r "$root/requirements/pip.txt" \
            --target "$("$2/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
}

make_environment() (
    python=$1
    answer=$(_ask_python "$python") || { echo "$python does not run." >&2; exit 1; }
    version=${answer%%$'\n'*}
    name=${2:-$version}
    directory=$root/.venv/$name
    lists=("$root/requirements/pip.txt" "$root/requirements/test.txt" "$root/requirements/sdk.txt")
    [ -z "${2:-}" ] || lists+=("$root/requirements/$2.txt")

    # Scripts that run at the same time wait for each other. The lock ends with this subshell.
    mkdir -p "$root/.venv" && exec 9>"$root/.venv/$name.lock" || exit 1
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || exit 1

    stamp=$(_stamp "$python" "$directory" "${lists[@]}") || exit 1
    if [ "$(cat "$directory/stamp" 2>/dev/null)" = "$stamp" ] &&
        "$directory/bin/python" -c 'import yaml' 2>/dev/null; then
        printf '%s\n' "$directory"
        exit 0
    fi

    echo "Setting up Python $version in .venv/$name ..." >&2
    log=$root/.venv/$name.log
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
    rm -rf -- "$directory"
    if ! _make_venv "$python" "$directory" >"$log" 2>&1 </dev/null; then
        rm -rf -- "$directory"
        echo "Python $version cannot make a virtual environment: install its venv and pip modules" \
            "(Debian, Ubuntu: apt-get install python3-venv python3-pip); more in $log" >&2
        exit 1
    fi
    arguments=()
    for list in "${lists[@]:1}"; do arguments+=(-r "$list"); done
    # The lists name every wheel with its hash: pip adds no package and compiles nothing.
    pip=("$directory/bin/python" -m pip install --quiet --require-hashes --no-deps --only-binary :all:)
    if ! "${pip[@]}" -r "${lists[0]}" >"$log" 2>&1 </dev/null ||
        ! "${pip[@]}" "${arguments[@]}" >>"$log" 2>&1 </dev/null
    then
        cat "$log" >&2
        echo "Setting up Python $version in .venv/$name failed: see the output of pip above." >&2
        exit 1
    fi
    # Last, so that an interrupted setup starts again.
    printf '%s\n' "$stamp" >"$directory/stamp"
    printf '%s\n' "$directory"
)

build_zip() (
    set -o pipefail
    "$1/bin/python" "$root/tools/build.py" | sed -n 1p
)
