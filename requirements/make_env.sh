#!/usr/bin/env bash
# Builds .venv: torch, then mmcv compiled against that very torch, then the rest, then this package.
# PYTHON chooses the interpreter, MAX_JOBS the compiler processes, XDG_CACHE_HOME where the mmcv wheel is kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONHOME PYTHONPATH

root=$PWD
venv=$root/.venv
log=$venv/make_env.log
python=$venv/bin/python
ticker=

die() { printf 'make env: %s\n' "$*" >&2; exit 1; }
say() { printf '[make env %d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
stop_ticker() { if [[ -n $ticker ]]; then kill "$ticker" 2>/dev/null || true; wait "$ticker" 2>/dev/null || true; ticker=; fi; }
trap stop_ticker EXIT

# Without this line a long step would look hung: the time, and the last thing pip said.
tick() {
    while sleep 20 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        say "    $(tail -n 1 "$log" | tr -cd '[:print:]' | sed 's/^ *//' | cut -c 1-90)"
    done
}

run() { # TITLE COMMAND...: the command's output goes to the log only
    say "$1"; shift
    printf '\n$ %s\n' "$*" >>"$log"
    tick 9>&- & ticker=$!
    local status=0
    "$@" >>"$log" 2>&1 </dev/null 9>&- || status=$?
    stop_ticker
    return $status
}

fail() { # WHAT: the end of the log, then the one line
    tail -n 15 "$log" | sed 's/^/    /' >&2
    die "$* (the log: $log; run make env again to go on from here)"
}

describe() { # the interpreter behind PYTHON, even when it is a venv's or a shim: its path and version, 3.11 only
    "$1" -c 'import os, platform, sys
if sys.version_info[:2] != (3, 11): sys.exit(1)
print(os.path.realpath(sys._base_executable), platform.python_version())' 2>/dev/null
}

find_python() { # an environment that is there keeps its interpreter, unless PYTHON asks for another
    local candidate candidates=("$python" python3.11 python3)
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        describe "$candidate" && return
    done
    die "needs Python 3.11, found ${PYTHON:+$PYTHON: }$("${PYTHON:-python3}" -V 2>&1 | head -n 1 || true); install python3.11 with its -venv and -dev packages, or set PYTHON=/path/to/python3.11"
}

find_nvcc() { # the real one: torch takes the folder above a link or a wrapper for the toolkit
    local nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
    [[ -x $nvcc ]] || nvcc=$(command -v nvcc || true)
    realpath "$nvcc" 2>/dev/null || true
}

find_gpu() { # prints e.g. cuda13.0-sm90 where CUDA ops can be compiled for a GPU that is there, else cpu
    local nvcc arch
    nvcc=$(find_nvcc)
    arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | tr -d '.' | paste -sd_) || true
    if [[ $arch =~ ^[0-9_]+$ && -x $nvcc ]]; then
        echo "cuda$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')-sm$arch"
    else
        echo cpu
    fi
}

check_machine() { # everything that would end a long build badly, before it begins
    local base=$1 free headers missing
    free=$(df -Pk "$root" | awk 'NR == 2 {print int($4 / 1048576)}')
    ((free >= 8)) || die "needs 8 GB of free disk in $root, found $free GB"
    "$base" -c 'import ensurepip, venv' 2>/dev/null || die "$base has no venv module; install Debian's python3.11-venv"
    command -v "${CXX:-c++}" >/dev/null || die "needs a C++ compiler for mmcv, found no ${CXX:-c++}; install g++ (Debian: apt-get install g++)"
    headers=$("$base" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    [[ -f $headers/Python.h ]] || die "needs Python's headers for mmcv, found no $headers/Python.h; install Debian's python3.11-dev"
    missing=$("$base" -c 'import ctypes
for name in ("libGL.so.1", "libglib-2.0.so.0"):
    try: ctypes.CDLL(name)
    except OSError: print(name, end=" ")')
    [[ -z $missing ]] || die "OpenCV needs $missing; install Debian's libgl1 and libglib2.0-0"
}

create_venv() { # IDENTITY BASE
    mkdir -p "$venv"
    # Written first: it tells a half-made environment of ours from a folder that is none of our business.
    echo "$1" >"$venv/made_for"
    : >"$log"
    run "creating .venv with $2" "$2" -m venv "$venv" || fail 'could not create .venv'
    local probe=$venv/probe
    run 'asking the package registry' "$python" -m pip download -q --retries 1 --timeout 20 --no-cache-dir --no-deps -c constraints.txt -d "$probe" wheel \
        || fail 'no package registry answers; check the network and `pip config list`'
    rm -rf "$probe"
}

build_mmcv() { # FLAVOUR FOLDER
    local part=$venv/mmcv_wheel jobs
    # A compiler process takes up to 2 GB.
    jobs=$(awk -v cores="$(nproc)" '/MemAvailable/ {n = int($2 / 2097152); print n < 1 ? 1 : n < cores ? n : cores}' /proc/meminfo)
    rm -rf "$part"
    # Not from pip's cache: it is keyed by mmcv's version alone and may hold a binary made for another torch.
    run "step 2 of 4: compiling mmcv's ops for $1 with ${MAX_JOBS:-$jobs} processes (CPU 2 to 9 minutes, CUDA up to 30)" \
        env CFLAGS=-g0 MMCV_WITH_OPS=1 FORCE_CUDA="$([[ $1 == cpu ]] && echo 0 || echo 1)" \
        CUDA_HOME="${CUDA_HOME:-$(find_nvcc | sed 's|/bin/nvcc$||')}" MAX_JOBS="${MAX_JOBS:-$jobs}" \
        "$python" -m pip wheel -v --no-cache-dir --no-deps --no-build-isolation -c constraints.txt -w "$part" mmcv \
        && mkdir -p "$2" && mv "$part"/mmcv-*.whl "$2/" && rm -rf "$part"
}

install_mmcv() { # FLAVOUR
    local torch wheels cache=${XDG_CACHE_HOME:-${HOME:-$venv}/.cache}
    mkdir -p "$cache/samrs_mm" 2>/dev/null || cache=$venv
    torch=$("$python" -c 'from importlib.metadata import version; print(version("torch"))')
    wheels=$cache/samrs_mm/wheels/torch$torch-$1-cp311-$(uname -m)
    if [[ -f $venv/mmcv_from && $(<"$venv/mmcv_from") == "$wheels" ]] && "$python" -m pip show -q mmcv 2>/dev/null; then
        say "step 2 of 4: mmcv for torch $torch and $1 is there"
        return
    fi
    if compgen -G "$wheels/mmcv-*.whl" >/dev/null; then
        say "step 2 of 4: mmcv from the wheel compiled earlier, $wheels"
    elif ! build_mmcv "$1" "$wheels"; then
        [[ $1 != cpu ]] || fail "mmcv did not compile"
        say "mmcv's CUDA ops did not compile (see $log): going on with its CPU ops"
        install_mmcv cpu
        return
    fi
    rm -f "$venv/mmcv_from"
    run '    installing it' "$python" -m pip install --no-deps --force-reinstall --no-index --find-links "$wheels" -c constraints.txt mmcv \
        || fail "mmcv from $wheels could not be installed; delete that folder to compile again"
    echo "$wheels" >"$venv/mmcv_from"
}

check_result() {
    "$python" -m pip check && "$python" - <<'EOF'
import mmcv.ops, mmdet, mmseg, segment_anything, torch, torchvision
from samrs_mm.compat import mmrotate_boxes
mmrotate_boxes()
print(f'torch {torch.__version__}, GPU: {torch.cuda.is_available()}, mmcv {mmcv.__version__}, mmseg {mmseg.__version__}, mmdet {mmdet.__version__}')
EOF
}

interpreter=$(find_python)
flavour=$(find_gpu)
identity="$root $interpreter"
stamp=$({ cat requirements/*.txt constraints.txt setup.py pyproject.toml requirements/make_env.sh; echo "$identity $flavour"; } | sha256sum)
if [[ -f $venv/stamp && $(<"$venv/stamp") == "$stamp" ]]; then
    exit 0
fi

# Two builds of one .venv at once would spoil it: the second waits, and mostly finds nothing left to do.
exec 9<requirements/make_env.sh
flock -n 9 || { say 'another make env is at work here: waiting for it'; flock 9; exec bash requirements/make_env.sh; }

if [[ -e $venv && ! -f $venv/made_for ]]; then
    die "$venv was not made by make env: move it away first"
elif [[ -f $venv/made_for && $(<"$venv/made_for") != "$identity" ]]; then
    say '.venv was made for another Python or folder: building it anew'
    rm -rf "$venv"
fi
base=${interpreter% *}
if ! "$python" -m pip show -q torch 2>/dev/null; then
    check_machine "$base"
    create_venv "$identity" "$base"
fi
rm -f "$venv/stamp"
mkdir -p "$venv/tmp"
# pip unpacks gigabytes into TMPDIR: the disk that was checked is the one to fill. ninja is found on PATH only.
export TMPDIR=$venv/tmp PATH=$venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1
pip_install=("$python" -m pip install -c constraints.txt)

run 'step 1 of 4: torch and what mmcv is compiled with (4.8 GB on disk, 1 to 3 minutes)' "${pip_install[@]}" -r requirements/build.txt \
    || fail 'torch could not be installed'
install_mmcv "$flavour"
run 'step 3 of 4: the mm libraries, segment-anything and the test tools (0.5 GB, about a minute)' \
    "${pip_install[@]}" -r requirements/runtime.txt -r requirements/optional.txt -r requirements/tests.txt || fail 'a library could not be installed'
run 'step 4 of 4: samrs_mm itself, editable' "$python" -m pip install --no-deps --no-build-isolation -e . || fail 'samrs_mm could not be installed'
run 'checking: every library imports and computes' check_result \
    || fail "the environment is broken; delete $venv and $(cat "$venv/mmcv_from") and run make env again"
rm -rf "$TMPDIR"
echo "$stamp" >"$venv/stamp"
say "done: $(tail -n 1 "$log")"
