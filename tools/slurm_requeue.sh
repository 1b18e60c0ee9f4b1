#!/usr/bin/env bash
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@600
# sbatch [flags of sbatch] tools/slurm_requeue.sh CONFIG [flags of train.py]: training that goes on
# where it stopped, however often the job is preempted or reaches its time limit. Ten minutes before
# that every rank is told, ends its iteration and saves; the job is queued again, and resumes. A run
# that fails by itself isn't queued again. One task per GPU:
#   sbatch --partition P --nodes 1 --ntasks-per-node 8 --gres gpu:8 --cpus-per-task 5 \
#       --time 24:00:00 tools/slurm_requeue.sh configs/sep/upernet_resnet50.py
# TOOLS is the folder of train.py, by default tools below the folder of submission: Slurm runs a copy
# of this file elsewhere. A job that is cancelled is not queued again.
set -u
trap : TERM USR1 # for the ranks, not for this script, which waits for them
code=0
srun --kill-on-bad-exit=1 python -u "${TOOLS:-tools}/train.py" "$1" \
    --launcher slurm --resume "${@:2}" || code=$?
state=$(squeue --noheader --job "$SLURM_JOB_ID" --format %T)
if [ "$code" = 75 ] && [ "$state" = RUNNING ]; then # of preempted jobs Slurm does it itself
    echo "queued again: $SLURM_JOB_ID"
    exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
