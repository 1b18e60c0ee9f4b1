#!/usr/bin/env bash
# Collects in gpu_wheels/ what a machine with CUDA, Python 3.12, torch 2.11, transformers, timm, numpy, OpenCV and scipy, but
# without a package registry, lacks for gpu_check.py. PIP is the pip to do it with; TRANSFORMERS=1 takes transformers along,
# where that machine's is older than SAM 2 and 3 need; OPS=1 compiles mmcv's ops (minutes), for which that pip's Python must be
# 3.12 and have torch and ninja.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$PWD/gpu_wheels
read -ra pip <<<"${PIP:-python3 -m pip}"

pinned() { sed -nE "s/^($1==[^ ;]+).*/\1/p" constraints.txt | tail -n 1; } # the last is of the newest Pythons

rm -rf "$out" && mkdir "$out"
platforms=(--platform manylinux2014_x86_64)
for minor in 17 24 27 28 31 34 35 39; do platforms+=(--platform "manylinux_2_${minor}_x86_64"); done
binary=(pycocotools shapely rasterio yapf termcolor prettytable wcwidth ftfy platformdirs affine cligj defusedxml tomli addict safetensors)
[[ ${TRANSFORMERS:-0} == 1 ]] && binary+=(transformers)
wanted=()
for name in "${binary[@]}"; do wanted+=("$(pinned "$name" | grep . || echo "$name")"); done
"${pip[@]}" download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp "${platforms[@]}" -d "$out" "${wanted[@]}"

pure=(segment-anything segment-anything-hq terminaltables onedl-mmengine onedl-mmsegmentation onedl-mmdetection onedl-mmrotate)
wanted=()
for name in "${pure[@]}"; do wanted+=("$(pinned "$name" | grep . || echo "$name")"); done
mmcv=$(pinned onedl-mmcv)
# mmcv compiles its ops where it can import torch while it is built; pip's isolation hides torch.
if [[ ${OPS:-0} == 1 ]]; then
    CFLAGS=-g0 FORCE_CUDA=0 "${pip[@]}" wheel -q --no-deps --no-cache-dir --no-build-isolation -w "$out" "$mmcv"
else
    wanted+=("$mmcv")
fi
"${pip[@]}" wheel -q --no-deps -w "$out" "${wanted[@]}"

size=$(du -sm "$out" | cut -f1)
echo "gpu_wheels: $(find "$out" -name '*.whl' | wc -l) wheels, $size MB in $out"
most=$((60 + 14 * ${TRANSFORMERS:-0}))
((size < most)) || { echo "gpu_wheels: more than $most MB" >&2; exit 1; }
