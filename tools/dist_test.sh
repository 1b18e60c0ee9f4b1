#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT RANKS [flags of test.py]: as many ranks on this machine, one per
# GPU or, without a GPU, as CPU processes. NNODES, NODE_RANK, MASTER_ADDR, PORT: several machines.
set -eu
config=$1 checkpoint=$2 ranks=$3
places=(--nodes "${NNODES:-1}" --node "${NODE_RANK:-0}" --address "${MASTER_ADDR:-127.0.0.1}")
if [ "${NNODES:-1}" != 1 ] || [ -n "${PORT:-}" ]; then
    places+=(--port "${PORT:-29500}")
fi
exec python "$(dirname "$0")/run_ranks.py" "$ranks" "${places[@]}" test "$config" "$checkpoint" "${@:4}"
