#!/usr/bin/env bash
# A sweep on the nodes of a Slurm allocation: Ray's head on the first, Ray on the others, and `sweep run` on the first.
#   sbatch --nodes 4 deploy/slurm.sh grid.yaml --data /shared/yt8m
# Words after the grid are handed to `sweep run`. Two minutes before its time is up, Slurm sends SIGTERM: trials write a
# checkpoint, Ray leaves the nodes, and the same command in a new allocation goes on.
#SBATCH --job-name=gapsack
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=gapsack-%j.log
set -euo pipefail

if [ $# -lt 1 ]; then
  echo "usage: sbatch --nodes N $0 GRID [options of sweep run]" >&2
  exit 2
fi
if [ -z "${SLURM_JOB_NODELIST:-}" ]; then
  echo "expected an allocation of Slurm's (sbatch), got none: on one machine, type sweep run" >&2
  exit 2
fi

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head_node=${nodes[0]}
head_address=$(srun --nodes=1 --ntasks=1 --nodelist="$head_node" hostname --ip-address | awk '{print $1}')
# A port of the job's own, so that two jobs on one node do not meet.
port=$((20000 + SLURM_JOB_ID % 20000))
cpus=${SLURM_CPUS_PER_TASK:-1}
children=()

start() {  # Ray on a node until it is told to stop: --block keeps Slurm's step alive, and ends with it
  local node=$1
  shift
  srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" \
    ray start "$@" --num-cpus="$cpus" --disable-usage-stats --block &
  children+=($!)
}

trap 'kill "${children[@]}" 2>/dev/null || true; wait 2>/dev/null || true' EXIT

start "$head_node" --head --node-ip-address="$head_address" --port="$port" --include-dashboard=false
for attempt in $(seq 60); do
  if ray health-check --address "$head_address:$port" >/dev/null 2>&1; then
    break
  elif [ "$attempt" = 60 ]; then
    echo "expected Ray's head at $head_address:$port within a minute, got no answer" >&2
    exit 1
  fi
  sleep 1
done
for node in "${nodes[@]:1}"; do
  start "$node" --address="$head_address:$port"
done

sweep run "$@" --address "$head_address:$port" &
sweep=$!
# A shell waits for a command in the foreground before it heeds a signal; `wait` it interrupts.
trap 'kill -TERM "$sweep" 2>/dev/null || true' TERM
trap 'kill -INT "$sweep" 2>/dev/null || true' INT
code=0
wait "$sweep" || code=$?
while kill -0 "$sweep" 2>/dev/null; do  # a signal came: the sweep is writing its checkpoints
  code=0
  wait "$sweep" || code=$?
done
exit "$code"
