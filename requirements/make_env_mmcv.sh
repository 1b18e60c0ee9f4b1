# Sourced by make_env.sh: mmcv's wheel, with compiled ops or without.

find_nvcc() { # the real one: torch takes the folder above a link or a wrapper for the toolkit
    local nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
    [[ -x $nvcc ]] || nvcc=$(command -v nvcc || true)
    realpath "$nvcc" 2>/dev/null || true
}

find_ops() { # prints pure, cpu or e.g. cuda13.0-sm90: which of mmcv's ops are wanted
    local nvcc arch ops=${OPS:-}
    [[ -n $ops ]] || ops=$([[ -f $venv/mmcv_from && $(<"$venv/mmcv_from") != *-pure ]] && echo 1 || echo 0)
    case $ops in
        0) echo pure; return ;;
        1) ;;
        *) die "OPS=$ops: OPS=1 compiles mmcv's ops, OPS=0 leaves them out, nothing keeps what is there" ;;
    esac
    nvcc=$(find_nvcc)
    arch=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | tr -d '.' | paste -sd_) || true
    if [[ $arch =~ ^[0-9_]+$ && -x $nvcc ]]; then
        echo "cuda$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')-sm$arch"
    else
        echo cpu
    fi
}

check_compiler() {
    local compiler headers cure='or leave OPS=1 out: few things need the ops'
    read -ra compiler <<<"${CXX:-c++}" # it may come with a launcher or flags: ccache g++
    command -v "${compiler[0]}" >/dev/null || die "OPS=1 needs a C++ compiler, found no ${compiler[0]}; install g++ (Debian: apt-get install g++), $cure"
    headers=$("$base" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    [[ -f $headers/Python.h ]] || die "OPS=1 needs Python's headers, found no $headers/Python.h; install Debian's python${version%.*}-dev, $cure"
}

wheel_folder() { # FLAVOUR TORCH: with and without ops it is the same version of mmcv
    local tag=${version%.*}
    tag=torch$2-$1-cp${tag/./}-$(uname -m)
    [[ $1 != pure ]] || tag=pure
    echo "$cache/samrs_mm/wheels/onedl-mmcv$mmcv-$tag"
}

built_wheel() { # FOLDER: the wheel in it, if there is one; in its name, but not above, * is anything
    paths_in "${1%/*}" "${1##*/}/onedl_mmcv-*.whl"
}

build_mmcv() { # FLAVOUR FOLDER
    local part=$venv/mmcv_wheel jobs pip_wheel
    pip_wheel=("$python" -m pip wheel -v --no-cache-dir --no-deps -w "$part" "onedl-mmcv==$mmcv")
    rm -rf "$part"
    # mmcv compiles its ops where it can import torch while it is built, whatever it is told; pip's isolation hides torch.
    if [[ $1 == pure ]]; then
        run 'step 2 of 3: building mmcv without compiled ops (15 seconds)' "${pip_wheel[@]}" || return
    else
        # A compiler process takes up to 2 GB.
        jobs=$(awk -v cores="$(nproc)" '/MemAvailable/ {n = int($2 / 2097152); print n < 1 ? 1 : n < cores ? n : cores}' /proc/meminfo)
        run "step 2 of 3: compiling mmcv's ops for $1 with ${MAX_JOBS:-$jobs} processes (CPU 2 to 9 minutes, CUDA up to 30)" \
            env CFLAGS=-g0 FORCE_CUDA="$([[ $1 == cpu ]] && echo 0 || echo 1)" \
            CUDA_HOME="${CUDA_HOME:-$(find_nvcc | sed 's|/bin/nvcc$||')}" MAX_JOBS="${MAX_JOBS:-$jobs}" \
            "${pip_wheel[@]}" --no-build-isolation || return
    fi
    mkdir -p "$2" && mv "$part"/onedl_mmcv-*.whl "$2/" && rm -rf "$part"
}

install_mmcv() { # FLAVOUR
    local wheels
    wheels=$(wheel_folder "$1" "$("$python" -c 'from importlib.metadata import version; print(version("torch"))')")
    if [[ -f $venv/mmcv_from && $(<"$venv/mmcv_from") == "$wheels" ]] && "$python" -m pip show -q onedl-mmcv 2>/dev/null; then
        say "step 2 of 3: mmcv is there ($1)"
        return
    fi
    if built_wheel "$wheels" >/dev/null; then
        say "step 2 of 3: mmcv from the wheel built earlier, $wheels"
    elif ! build_mmcv "$1" "$wheels"; then
        [[ $1 == cuda* ]] || fail 'mmcv could not be built'
        say "mmcv's CUDA ops did not compile (see $log): going on with its CPU ops"
        install_mmcv cpu
        return
    fi
    install '    installing it' --no-deps --force-reinstall "$(built_wheel "$wheels")" \
        || fail "mmcv from $wheels could not be installed; delete that folder to build it again"
    echo "$wheels" >"$venv/mmcv_from"
}
