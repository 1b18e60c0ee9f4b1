#!/usr/bin/env bash
# tools/dist_test.sh CONFIG CHECKPOINT RANKS [flags of test.py]: as many ranks on this machine, one per
# GPU or, without a GPU, as CPU processes. NNODES, NODE_RANK, MASTER_ADDR, PORT: several machines.
set -eu
config=$1 checkpoint=$2 ranks=$3
torchrun=(python -m torch.distributed.run --nnodes "${NNODES:-1}" --nproc-per-node "$ranks")
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    torchrun+=(--standalone) # finds a free port
else
    torchrun+=(--node-rank "${NODE_RANK:-0}" --master-addr "${MASTER_ADDR:-127.0.0.1}")
    torchrun+=(--master-port "${PORT:-29500}")
fi
exec "${torchrun[@]}" "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
