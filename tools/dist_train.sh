#!/usr/bin/env bash
# tools/dist_train.sh CONFIG RANKS [flags of train.py]: as many ranks on this machine, one per GPU
# or, without a GPU, as CPU processes. NNODES, NODE_RANK, MASTER_ADDR, PORT: for several machines.
set -eu
config=$1 ranks=$2
places=(--nodes "${NNODES:-1}" --node "${NODE_RANK:-0}" --address "${MASTER_ADDR:-127.0.0.1}")
if [ "${NNODES:-1}" != 1 ] || [ -n "${PORT:-}" ]; then
    places+=(--port "${PORT:-29500}")
fi
exec python "$(dirname "$0")/run_ranks.py" "$ranks" "${places[@]}" train "$config" "${@:3}"
