#!/usr/bin/env bash
# Builds .venv: the versions of constraints.txt, then mmcv, then this package.
# PYTHON chooses the interpreter; OPS=1 compiles mmcv's ops, OPS=0 goes back, neither keeps what is there; MAX_JOBS limits
# the compiler processes; XDG_CACHE_HOME is where mmcv's wheels are kept.
set -euo pipefail
unset CDPATH PYTHONHOME PYTHONPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
venv=$root/.venv
log=$venv/make_env.log
python=$venv/bin/python
ticker=
source requirements/make_env_mmcv.sh

# pip ends by an exit code where it is interrupted, which alone would be taken for a failure to go round.
interrupted=
trap 'interrupted=1' INT
die() {
    [[ -z $interrupted ]] || set -- 'interrupted; run it again to go on from here'
    printf 'make env: %s\n' "$*" >&2
    exit 1
}
go_on() { [[ -z $interrupted ]] || die; }
say() { printf '[make env %d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
stop_ticker() { if [[ -n $ticker ]]; then kill "$ticker" 2>/dev/null || true; wait "$ticker" 2>/dev/null || true; ticker=; fi; }
trap stop_ticker EXIT

paths_in() { # FOLDER PATTERN: those that fit, whatever characters the folder's own name has; fails if there is none
    (cd "$1" 2>/dev/null && compgen -G "$2") | while IFS= read -r name; do printf '%s/%s\n' "$1" "$name"; done
}

# Without this line a long step would look hung: the time, and the last thing in the log.
tick() {
    while sleep 20 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        say "    $(tail -n 1 "$log" | tr -cd '[:print:]' | sed 's/^ *//' | cut -c 1-90)"
    done
}

run() { # TITLE COMMAND...: the command's output goes to the log only
    go_on
    say "$1"; shift
    printf '\n$ %s\n' "$*" >>"$log"
    tick 9>&- & ticker=$!
    local status=0
    "$@" >>"$log" 2>&1 </dev/null 9>&- || status=$?
    stop_ticker
    go_on
    return $status
}

fail() { # WHAT: the end of the log, then the one line
    tail -n 15 "$log" | sed 's/^/    /' >&2
    die "$* (the log: $log; run \`make env${OPS:+ OPS=$OPS}\` again to go on from here)"
}

describe() { # the interpreter behind PYTHON, even when it is a venv's or a shim: its path and version, supported ones only
    "$1" -c 'import os, platform, sys
if not (3, 10) <= sys.version_info[:2] <= (3, 13): sys.exit(1)
print(os.path.realpath(sys._base_executable), platform.python_version())' 2>/dev/null
}

find_python() { # an environment that is there keeps its interpreter, unless PYTHON asks for another; else the newest
    local candidate candidates=("$python" python3.13 python3.12 python3.11 python3.10 python3)
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        describe "$candidate" && return
    done
    die "needs Python 3.10 to 3.13, found ${PYTHON:+$PYTHON: }$("${PYTHON:-python3}" -V 2>&1 | head -n 1 || true); install one of them with its venv module, or set PYTHON=/path/to/python3.12"
}

why_anew() { # prints why the environment that is there can't be gone on with, if so
    local classic
    classic=$(paths_in "$venv/lib" 'python3.*/site-packages/mm*-*.dist-info' \
        | sed -nE 's/.*\/(mmcv(_lite|_full)?|mmengine(_lite)?|mmdet|mmsegmentation|mmrotate|mmpretrain)-[0-9][^/]*$/\1/p' | paste -sd' ') || true
    if [[ -n $classic ]]; then
        echo "it holds OpenMMLab's own $classic, whose files lie in the same folders as OneDL's"
    elif [[ $(<"$venv/made_for") != "$identity" ]]; then
        echo 'it was made for another Python, folder or set of mm libraries'
    elif [[ -f $venv/installing ]]; then
        echo 'an installation in it did not end (what was downloaded is kept)'
    fi
}

check_machine() { # what would end a long build badly, before it begins
    local missing
    "$base" -c 'import ensurepip, venv' 2>/dev/null || die "$base has no venv module; install Debian's python${version%.*}-venv, or set PYTHON=/path/to/another"
    missing=$("$base" -c 'import ctypes
for name in ("libGL.so.1", "libglib-2.0.so.0"):
    try: ctypes.CDLL(name)
    except OSError: print(name, end=" ")')
    [[ -z $missing ]] || die "OpenCV needs $missing; install Debian's libgl1 and libglib2.0-0"
}

check_disk() {
    local free
    free=$(df -Pk "$root" | awk 'NR == 2 {print int($4 / 1048576)}')
    ((free >= 7)) || die "needs 7 GB of free disk in $root, found $free GB"
}

pip_install() { "$python" -m pip install -c constraints.txt "$@"; }

install() { # TITLE ARGUMENTS...: by uv, which takes seconds where pip takes minutes; by pip where uv can't be had or fails
    local title=$1; shift
    # A killed installer leaves halves of packages: the next run sees this file.
    touch "$venv/installing"
    if [[ -x $venv/bin/uv ]] && run "$title" "$python" requirements/uv_like_pip.py pip install --python "$python" "$@"; then
        rm "$venv/installing"
        return
    fi
    say "    uv can't be had or failed (see $log): going on with pip, which takes minutes"
    run "$title" pip_install "$@" && rm "$venv/installing"
}

create_venv() {
    mkdir -p "$venv"
    # Written first: it tells a half-made environment of ours from a folder that is none of our business.
    echo "$identity" >"$venv/made_for"
    touch "$venv/installing"
    : >"$log"
    run "creating .venv with Python $version, $base" "$base" -m venv "$venv" || fail 'could not create .venv'
    run 'asking the package registry' pip_install --retries 1 --timeout 20 --no-deps setuptools wheel \
        || fail 'no package registry answers; check the network and `pip config list`'
    run 'fetching uv, the fast installer' pip_install --retries 1 --timeout 20 --no-deps uv || true
}

[[ $(uname -s) == Linux ]] || die "make env runs on Linux; elsewhere use pip: docs/get_started.md"
interpreter=$(find_python)
base=${interpreter% *}
version=${interpreter##* }
flavour=$(find_ops)
identity="$root $interpreter onedl"
mmcv=$(sed -n 's/^onedl-mmcv==//p' constraints.txt)
stamp=$({ cat requirements/*.{txt,in,py,sh} constraints.txt setup.py pyproject.toml; echo "$identity $flavour"; } | sha256sum)
anew=
[[ ! -f $venv/made_for ]] || anew=$(why_anew)
if [[ -z $anew && -f $venv/stamp && $(<"$venv/stamp") == "$stamp" ]]; then
    exit 0
fi

# Two builds of one .venv at once would spoil it: the second waits, and mostly finds nothing left to do.
exec 9<requirements/make_env.sh
flock -n 9 || { say 'another make env is at work here: waiting for it'; flock 9; exec bash requirements/make_env.sh; }

cache=${XDG_CACHE_HOME:-${HOME:-$venv}/.cache}
[[ ! -e $venv || -f $venv/made_for ]] || die "$venv was not made by make env: move it away first"
[[ $flavour == pure ]] || built_wheel "$(wheel_folder "$flavour" '*')" >/dev/null || check_compiler
if [[ -n $anew ]] || ! "$python" -m pip show -q torch 2>/dev/null; then
    check_machine
    go_on
    if [[ -n $anew ]]; then
        say "building .venv anew: $anew"
        rm -rf "$venv"
    fi
    check_disk
    create_venv
fi
mkdir -p "$cache/samrs_mm" 2>/dev/null || cache=$venv
rm -f "$venv/stamp"
mkdir -p "$venv/tmp"
# The installers unpack gigabytes into TMPDIR: the disk that was checked is the one to fill. ninja is found on PATH only.
export TMPDIR=$venv/tmp PATH=$venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
# uv links files from its cache, which must lie on the same disk for that.
[[ $(df -P "$cache" | awk 'NR == 2 {print $1}') == $(df -P "$venv" | awk 'NR == 2 {print $1}') ]] || export UV_CACHE_DIR=${UV_CACHE_DIR:-$TMPDIR/uv}

grep -v '^onedl-mmcv==' constraints.txt >"$venv/tmp/all.txt"
install 'step 1 of 3: torch, the mm libraries and the rest (5 GB on disk, 2 GB to fetch the first time)' --no-deps -r "$venv/tmp/all.txt" \
    || fail 'a library could not be installed'
install_mmcv "$flavour"
install 'step 3 of 3: samrs_mm itself, editable' --no-deps --no-build-isolation -e . || fail 'samrs_mm could not be installed'
run 'checking: every library imports and computes' "$python" requirements/check_env.py "$flavour" \
    || fail "the environment is broken; delete $venv and $(cat "$venv/mmcv_from") and run make env again"
rm -rf "$TMPDIR"
echo "$stamp" >"$venv/stamp"
say "done: Python $version, $(tail -n 1 "$log")"
