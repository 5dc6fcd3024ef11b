#!/usr/bin/env bash
# The main job, end to end, on generated data: sweep, Pareto, ensemble, one graph, evaluation, report.
# Usage: bash examples/demo.sh [FOLDER]      (with gapsack's commands on the PATH; `make demo` sees to that)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-demo}
mkdir -p "$folder"
cd "$folder"
started=$SECONDS

step() {  # print a command as a person would type it, then run it
  printf '\n\033[1m$ %s\033[0m\n' "$*"
  "$@"
}

cp "$here/demo.yaml" grid.yaml
[ -e data/train0000.tfrecord ] || step sweep synth data --train-files 12 --videos 200
step sweep plan grid.yaml --data data
step sweep run grid.yaml --data data
step sweep select pareto runs/demo
step sweep select ensemble runs/demo --budget-mb 4.5
step sweep select frontier runs/demo
step sweep select build runs/demo
step sweep select evaluate runs/demo
step sweep report runs/demo

printf '\nDone in %d s. In %s:\n' $((SECONDS - started)) "$PWD"
printf '  %-22s %s\n' \
  'the report'            'runs/demo/report.html' \
  'the graph'             'runs/demo/graph  (tf.saved_model.load opens it)' \
  'the ensemble'          'runs/demo/ensemble.json' \
  'the candidate pool'    'runs/demo/pool' \
  'every trial in MLflow' "cd $PWD && mlflow ui --backend-store-uri sqlite:///mlflow.db"
