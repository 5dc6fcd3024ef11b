"""What is in deploy/: scripts by shellcheck and with stand-ins for Slurm, pods by a schema, the image by hadolint."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gapsack.sweep.cli.runs import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = [DEPLOY / "raycluster.yaml", DEPLOY / "rayjob.yaml"]


def tool(name: str) -> str:
    """A linter that a package brings into the environment."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"needs {name} (pip install '.[dev]')")
    return found


@pytest.mark.parametrize("script", [DEPLOY / "slurm.sh", ROOT / "examples" / "demo.sh", ROOT / ".ci" / "run"], ids=str)
def test_scripts_are_clean(script):
    done = subprocess.run([tool("shellcheck"), str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_is_clean():
    done = subprocess.run([tool("hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_has_all_that_a_wheel_is_made_of():
    """The rooms are links in gapsack/; what they lead to must be copied as well."""
    copied = {
        word
        for line in (DEPLOY / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY")
        for word in line.split()[1:-1]
    }
    rooms = {link.readlink().name for link in (ROOT / "gapsack").iterdir() if link.is_symlink()}
    assert rooms
    assert rooms | {"gapsack", "pyproject.toml", "README.md", "LICENSE"} <= copied


def pods(manifest: Path) -> list[dict]:
    """The pods that a manifest describes."""
    spec = yaml.safe_load(manifest.read_text())["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": group["template"]["spec"]}
        for group in groups
    ]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_pods_are_what_kubernetes_takes(manifest):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    for pod in pods(manifest):
        kubernetes_validate.validate(pod, "1.30", strict=True)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.name)
def test_workers_with_a_gpu_come_from_none_and_the_head_trains_nothing(manifest):
    spec = yaml.safe_load(manifest.read_text())["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    assert cluster["enableInTreeAutoscaling"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (workers,) = cluster["workerGroupSpecs"]
    assert (workers["replicas"], workers["minReplicas"]) == (0, 0)
    head, worker = pods(manifest)
    assert worker["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    for pod in (head, worker):
        assert pod["spec"]["securityContext"]["runAsNonRoot"]


def test_the_job_types_what_there_is():
    words = shlex.split(yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())["spec"]["entrypoint"])
    assert words.pop(0) == "sweep"
    known = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    assert words[0] == "run"
    for word in words:
        assert not word.startswith("--") or word in known


def test_rays_version_is_the_locked_one():
    locked = next(line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("ray"))
    version = locked.split("==")[1].split()[0]
    for manifest in MANIFESTS:
        assert f'rayVersion: "{version}"' in manifest.read_text()


STAND_INS = {
    "srun": 'while [[ "${1:-}" == --* ]]; do shift; done\nexec "$@"',
    "scontrol": "printf 'first\\nsecond\\n'",
    "hostname": "echo 10.0.0.1",
    # Ray runs until it is told to stop, and says what it was told.
    "ray": 'echo "$*" >> ray.txt\n[ "$1" = health-check ] && exit 0\ntrap "echo stopped >> ray.txt; exit 0" TERM\n'
    "while true; do sleep 0.05; done",
    "sweep": 'echo "$*" > sweep.txt\ntrap "sleep 0.3; echo checkpoint >> sweep.txt; exit 143" TERM\n'
    '[ "$2" = fails.yaml ] && exit 1\nuntil [ "$(grep -c ^start ray.txt)" = 2 ]; do sleep 0.05; done\n'
    'while [ "$2" != short.yaml ]; do sleep 0.05; done',
}


@pytest.fixture
def slurm(tmp_path):
    """Starts the script where Slurm's commands, Ray and the sweep are stand-ins."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in STAND_INS.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_JOB_ID": "21042",
        "SLURM_CPUS_PER_TASK": "8",
    }

    def start(*words: str, **changes: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["bash", str(DEPLOY / "slurm.sh"), *words],
            cwd=tmp_path,
            env=environment | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def code_of(process: subprocess.Popen) -> int:
    process.communicate(timeout=30)
    return process.returncode


def test_ray_is_on_every_node_and_the_sweep_joins_it(slurm, tmp_path):
    assert code_of(slurm("short.yaml", "--name", "one run")) == 0
    assert (tmp_path / "sweep.txt").read_text() == "run short.yaml --name one run --address 10.0.0.1:21042\n"
    told = (tmp_path / "ray.txt").read_text()
    assert "start --head --node-ip-address=10.0.0.1 --port=21042 --include-dashboard=false --num-cpus=8" in told
    assert "start --address=10.0.0.1:21042 --num-cpus=8" in told
    assert told.count("stopped") == 2


def test_the_exit_code_is_the_sweeps(slurm):
    assert code_of(slurm("fails.yaml")) == 1


def test_slurms_signal_lets_the_sweep_write_its_checkpoints(slurm, tmp_path):
    process = slurm("endless.yaml")
    end = time.monotonic() + 30
    while not (tmp_path / "sweep.txt").exists() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.2)  # the stand-in sets its trap after it wrote
    process.send_signal(signal.SIGTERM)
    assert code_of(process) == 143
    assert "checkpoint" in (tmp_path / "sweep.txt").read_text()
    assert (tmp_path / "ray.txt").read_text().count("stopped") == 2


@pytest.mark.parametrize(
    ("words", "changes", "told"),
    [([], {}, "usage: sbatch"), (["grid.yaml"], {"SLURM_JOB_NODELIST": ""}, "expected an allocation of Slurm's")],
)
def test_what_is_missing_is_told(slurm, words, changes, told):
    process = slurm(*words, **changes)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert told in output
