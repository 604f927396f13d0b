#!/bin/sh
# Makes .venv and installs one locked file of requirements into it, if that has changed: setup.sh requirements.txt
set -eu

requirements=$1
stamp=".venv/$requirements.installed"

say() { printf '%s\n' "$*" >&2; }
give_up() { say "$@"; exit 1; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || give_up "PYTHON=$PYTHON is no Python 3.11 or newer."
        printf '%s' "$PYTHON"
        return
    fi
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        if is_new_enough "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    give_up "Headwater needs Python 3.11 or newer, and there is none: install it, or name one with make setup PYTHON=..."
}

make_venv() {
    python=$(find_python)
    say "Making a virtual environment with $("$python" --version) ..."
    "$python" -m venv .venv >/dev/null 2>&1 && return
    rm -rf .venv
    # Debian keeps the module in a package of its own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing python3-venv ..."
        { apt-get update -qq && apt-get install -qq -y python3-venv; } >/dev/null 2>&1 || true
        "$python" -m venv .venv >/dev/null 2>&1 && return
        rm -rf .venv
    fi
    give_up "The virtual environment could not be made: install the venv module (Debian: apt-get install python3-venv)."
}

if [ -e .venv ] && [ ! -w .venv ]; then
    give_up ".venv belongs to somebody else: run as the user who made it, or remove it."
fi
[ -e .venv ] || [ -w . ] || give_up "This folder cannot be written to: .venv, .env and var/ are made here."
# A Python that was removed or moved leaves an environment that cannot run.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    make_venv
fi
cmp -s "$requirements" "$stamp" && exit 0
say "Installing $requirements (once, about a minute) ..."
.venv/bin/python -m pip --disable-pip-version-check install --quiet --root-user-action ignore --require-hashes \
    -r "$requirements" || give_up "Installing failed, see above. Is the network there? Run the same command again."
cp "$requirements" "$stamp"
