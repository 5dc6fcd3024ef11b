"""Runs one trial in this process: python run_one_trial.py SPEC_JSON. Prints the step of each report."""

import json
import sys
from pathlib import Path

from gapsack.sweep.cluster.worker import stop_polling
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.trial.control import Control
from gapsack.sweep.trial.run import run_trial

if __name__ == "__main__":
    spec = TrialSpec.from_dict(json.loads(Path(sys.argv[1]).read_text()))
    spec.folder.begin(spec.to_dict())

    def report(metrics):
        sys.stdout.write(f"{metrics.get('step', metrics['phase'])}\n")
        sys.stdout.flush()

    run_trial(spec, Control(report, stop_polling(spec.run.stop_file, 0)))
