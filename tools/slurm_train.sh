#!/usr/bin/env bash
# tools/slurm_train.sh PARTITION JOB CONFIG [flags of train.py]: one task per GPU.
# GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5) and SRUN_ARGS come from the environment.
set -eu
# shellcheck disable=SC2086 # SRUN_ARGS is a list of words
exec srun --partition "$1" --job-name "$2" --ntasks "${GPUS:-8}" \
    --ntasks-per-node "${GPUS_PER_NODE:-8}" --gres "gpu:${GPUS_PER_NODE:-8}" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$(dirname "$0")/train.py" "$3" --launcher slurm "${@:4}"
