"""Every code block of the README and of docs/ runs, in a folder where small things stand for those that it names.

A block of commands is typed line by line, one of Python is executed, one of YAML is read as (part of) a grid. Blocks
of docs/benchmarks.md are results, which tests/benchmarks/test_docs.py holds against the files that they come from.
"""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from gapsack.sweep.cli.runs import app
from gapsack.sweep.grid.problems import known_keys
from gapsack.sweep.grid.read import load_grid

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "benchmarks.md")]
CLASSES = 24
GRID = f"""
name: my_sweep
data:
  {{level: frame, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"], holdout: {{count: 1}},
   classes: {CLASSES}}}
model: {{family: gated_netvlad, options: {{mixtures: 2}}}}
search: {{grid: {{clusters: [2, 4], hidden: [8]}}}}
training:
  {{steps: 10, batch_size: 16, sample_frames: 6, learning_rate: 3e-3, batch_norm_decay: 0.9, checkpoint_steps: 5,
   averaging: {{last: 2, max_evaluations: 3}}}}
resources: {{cpus: 1, concurrent: 2}}
"""

STANDS_FOR = (
    # (what a page says, what is typed here instead): names and places, and the three settings that have a reason.
    ("synth data", "synth other"),  # the other blocks go on with the small data
    ("--data DIR", "--data data"),
    ("sweep run examples/paper_grid.yaml", "sweep run grid.yaml --name paper_grid"),  # 28 models on real data
    ("sweep run examples/yt8m_video.yaml", "sweep run grid.yaml --name yt8m_video"),  # six models on real data
    ("--data /data/yt8m/frame --address auto", "--data data"),  # a cluster, and the data on it
    ("--data /data/yt8m/video", "--data data"),
    ("sweep run examples/own_model/grid.yaml", "sweep run grid.yaml --name digits --data data"),  # twelve models
    ("--budget-mb 0.19", "--budget-mb 1024"),  # the small models of videos are larger than those of digits
    ("mlflow ui", "mlflow ui --help"),  # it serves until it is stopped
    ("predict graph 'test*.tfrecord'", "predict runs/my_sweep/graph 'data/validate*.tfrecord'"),
    ("predict runs/demo/graph", "predict runs/my_sweep/graph"),
    ("mlflow ui --help --backend-store-uri sqlite:///mlflow.db", "mlflow ui --help"),
    ("delete first_try --yes", "delete spare --yes"),  # the other runs are needed
    ("compare first_try second_try", "compare my_sweep digits"),
    ("--notify 'notify-send \"$GAPSACK_RUN: $GAPSACK_STATE\"'", "--notify 'echo $GAPSACK_RUN: $GAPSACK_STATE'"),
    (
        "--data 'validate*.tfrecord'",
        f"--data 'data/validate*.tfrecord' --classes {CLASSES}",
    ),  # the small data's vocabulary
    # Whoever is in the ensemble by now: the blocks share a pool.
    (
        "--predictions resnet=new_resnet.npz --predictions tiny=new_tiny.csv",
        "--predictions resnet=resnet.npz --predictions tiny=tiny.csv --predictions a=a.npz --predictions b=b.csv",
    ),
    ("train_2018/model.ckpt-200000", "train/model.ckpt-200000"),
)

NOT_HERE = {
    "make demo": "takes minutes, and no test runs it: only that the Makefile has it is looked at",
    "make test": "runs these very tests: only that the Makefile has it is looked at",
}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page.name, text[: found.start()].count("\n") + 1, found[1], found[2])
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def in_language(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in languages], ids=str)


def typed(block: Block) -> list[str]:
    """The commands of a block as they are typed here: continued lines joined, remarks and outputs left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    commands = [re.sub(r"\s+# .*", "", line).strip() for line in lines]
    for said, here in STANDS_FOR:
        commands = [command.replace(said, here) for command in commands]
    return [command for command in commands if command]


def give(command: str, folder: Path) -> str:
    """Type a command in `folder`; what it prints. Ray and MLflow get a process of their own, the rest shares ours."""
    program, *arguments = shlex.split(command)
    if program in ("mlflow", "python") or arguments[0] == "run":
        others = {"mlflow": [str(Path(sys.executable).with_name("mlflow"))], "python": [sys.executable]}
        start = others.get(program, [sys.executable, "-m", "gapsack"])
        done = subprocess.run([*start, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout
    assert program == "sweep", command
    with chdir(folder):
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"{command}\n{result.output}"
    return result.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A folder with a small data set, a grid, its run under three names, and predictions from elsewhere."""
    folder = tmp_path_factory.mktemp("workplace")
    few = "--train-files 2 --validate-files 2 --videos 30 --min-frames 4 --max-frames 9"
    give(f"sweep synth data --classes {CLASSES} {few}", folder)
    (folder / "grid.yaml").write_text(GRID)
    shutil.copytree(ROOT / "examples", folder / "examples")
    for command in ("run grid.yaml --data data", "select ensemble --budget-mb 1024", "select build"):
        give(f"sweep {command}", folder)
    give("sweep select build --format metagraph", folder)
    for name in ("paper_grid", "yt8m_video", "digits", "spare"):
        shutil.copytree(folder / "runs/my_sweep", folder / "runs" / name)
    _write_predictions(folder)
    _write_models(folder)
    return folder


def _write_predictions(folder: Path) -> None:
    """Labels, and what four models predict."""
    rng = np.random.default_rng(0)
    ids, truth = np.array([f"v{number}" for number in range(50)]), rng.random((50, 25)) < 0.2
    genre, mood = (rng.random((50, classes)) < 0.3 for classes in (25, 7))
    np.savez(folder / "truth.npz", video_ids=ids, labels=truth, genre=genre, mood=mood)
    heads = {"genre": rng.random((50, 25)), "mood": rng.random((50, 7))}
    np.savez(folder / "two_heads.npz", video_ids=ids, **heads)
    for name in ("a", "resnet", "r8"):
        np.savez(folder / f"{name}.npz", video_ids=ids, scores=np.clip(truth / 2 + rng.random((50, 25)) / 2, 0, 1))
    for name in ("b", "tiny"):
        rows = [" ".join(f"{number} {rng.random():.4f}" for number in range(25)) for _ in ids]
        lines = ["VideoId,LabelConfidencePairs", *(f"{video},{row}" for video, row in zip(ids, rows, strict=True))]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    for path in ("path/of/the/model", "path/of/tiny.onnx"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(bytes(4096))


def _write_models(folder: Path) -> None:
    """SavedModels, and a checkpoint with the names of the authors' code: graphs of ours are both."""
    run = folder / "runs/my_sweep"
    for name in ("exported", "exported_half"):
        shutil.copytree(run / "graph", folder / name)
    (folder / "train").mkdir()
    for file in (run / "metagraph").glob("inference_model.*"):
        shutil.copy(file, folder / "train" / file.name.replace("inference_model", "model.ckpt-200000"))


def test_every_block_says_what_it_is():
    assert {block.language for block in BLOCKS} == {"bash", "console", "python", "yaml", "text"}


@pytest.mark.long
@in_language("bash", "console")
def test_commands_run(block, workplace):
    shutil.rmtree(workplace / "pool", ignore_errors=True)  # every block begins with a pool of its own
    for command in typed(block):
        if command in NOT_HERE:
            assert re.search(rf"^{command.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            continue
        printed = give(command, workplace)
        if block.language == "console":
            shown = {" ".join(line.split()) for line in block.text.splitlines()[1:] if line != "…"}
            assert shown <= {" ".join(line.split()) for line in printed.splitlines()}


@in_language("python")
def test_python_runs(block):
    rng = np.random.default_rng(0)
    ids, truth = np.array([f"v{number}" for number in range(50)]), rng.random((50, 25)) < 0.2
    names = {"ids": ids, "truth": truth, "scores_a": rng.random((50, 25)), "scores_b": rng.random((50, 25))}
    exec(compile(block.text, str(block), "exec"), names)
    for name, value in list(names.items()):
        builds_a_model = "keras" in names  # tests/sweep/grid/test_own_models.py trains what it builds
        if getattr(value, "__module__", None) is None and callable(value) and not builds_a_model:
            _is_a_metric(value, name)


def _is_a_metric(function, name):
    from scipy.sparse import csr_array

    labels = csr_array(np.eye(4))
    assert function(labels, labels) == 1, name


@in_language("yaml")
def test_grids_are_valid(block, tmp_path):
    """A whole grid as it is; a part (one section) in place of that section of the small grid."""
    given = yaml.safe_load(block.text)
    path = tmp_path / "grid.yaml"
    if "my_models.py" in block.text:  # the file that the page shows before the grid
        (own,) = [other.text for other in BLOCKS if other.page == block.page and "import keras" in other.text]
        (tmp_path / "my_models.py").write_text(own)
    if '"models.py:build"' in block.text:
        shutil.copy(ROOT / "examples" / "own_model" / "models.py", tmp_path)
        np.savez(tmp_path / "digits.npz", image=np.zeros((20, 8, 8)), labels=np.arange(20) % 10)
    if "name" in given:
        path.write_text(block.text)
    else:
        assert set(given) < set(known_keys(()))
        kept = "".join(f"{key}: {json.dumps(value)}\n" for key, value in _small(given).items())
        path.write_text(kept + block.text)
    assert load_grid(path).name


def _small(given: dict[str, object]) -> dict[str, object]:
    whole = {"name": "x", "data": {"level": "video", "validate": ["v"]}, "model": {"family": "gated_netvlad"}}
    whole["search"] = {"grid": {"clusters": [8], "hidden": [8]}}
    return {key: value for key, value in whole.items() if key not in given}


@in_language("text")
def test_names_in_signatures_exist(block):
    for line in block.text.splitlines():
        for name in re.findall(r"^(gapsack(?:\.\w+)+)\(", line):
            value, *rest = _resolve(name)
            assert callable(value) and not rest


def _resolve(name: str) -> tuple[object, ...]:
    """The value of a dotted name: the longest part that is a module, then attributes."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            value = getattr(value, attribute)
        return (value,)
    raise AssertionError(f"{name} is no name of gapsack")
