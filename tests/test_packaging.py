"""What is installed: the wheel's contents, and what works, or says what it lacks, where the extras are missing."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections import Counter
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement

import gapsack
from gapsack.extras import EXTRAS, MissingExtraError, MissingExtras

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ROOMS = ("selection", "models", "dashboards", "sweep")
GRID = """
name: small
data: {level: video, train: ["t*.tfrecord"], validate: ["held/*.tfrecord"], classes: 40}
model: {family: gated_netvlad}
search: {grid: {clusters: [2], hidden: [8]}}
training: {steps: 10}
"""


def link_packages(requirements: list[str], folder: Path) -> None:
    """Links to the installed packages that these requirements need, and to no other."""
    waiting, linked = [Requirement(text) for text in requirements], set()
    while waiting:
        requirement = waiting.pop()
        if requirement.name in linked:
            continue
        linked.add(requirement.name)
        found = distribution(requirement.name)
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(found.locate_file(top))
        for text in found.requires or ():
            further = Requirement(text)
            if further.marker is None or further.marker.evaluate({"extra": ""}):
                waiting.append(further)


@pytest.fixture(scope="module")
def plain_packages(tmp_path_factory) -> Path:
    """A folder of packages like that of an environment in which gapsack was installed without extras."""
    folder = tmp_path_factory.mktemp("plain")
    link_packages(PROJECT["dependencies"], folder)
    return folder


@pytest.fixture(scope="module")
def plain(plain_packages):
    """Runs Python with those packages and gapsack alone: plain("-m", "gapsack", "plan", …, cwd=folder)."""

    def run(*arguments: object, cwd: Path, gapsack_in: Path = ROOT) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(map(str, (gapsack_in, plain_packages)))
        # -S leaves the environment's own packages out; -s and no other variable the user's.
        command = [sys.executable, "-S", "-s", *map(str, arguments)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            command, cwd=cwd, env=environment | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A folder with a grid and with labels and predictions of two models."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "grid.yaml").write_text(GRID)
    (folder / "v0.tfrecord").write_bytes(b"")
    rng = np.random.default_rng(0)
    ids, truth = np.array([f"v{i}" for i in range(60)]), rng.random((60, 25)) < 0.2
    np.savez(folder / "truth.npz", video_ids=ids, labels=truth)
    for name in "ab":
        np.savez(folder / f"{name}.npz", video_ids=ids, scores=np.clip(truth * 0.5 + rng.random((60, 25)) / 2, 0, 1))
    return folder


def test_plain_has_none_of_the_extras(plain, tmp_path):
    code = f"import importlib.util as u; print([name for name in {list(EXTRAS)} if u.find_spec(name)])"
    assert plain("-c", code, cwd=tmp_path).stdout.strip() == "[]"


def test_choosing_needs_no_extra(plain, workplace):
    for command in (
        "select import pool --labels truth.npz --predictions a=a.npz --size a=2MiB --predictions b=b.npz --size b=1MiB",
        "select pareto pool",
        "select ensemble pool --budget-mb 4",
        "select frontier pool",
        "plan grid.yaml",
        "list",
        "--version",
        "run --help",
    ):
        result = plain("-m", "gapsack", *command.split(), cwd=workplace)
        assert result.returncode == 0, (command, result.stdout + result.stderr)
    assert json.loads((workplace / "ensemble.json").read_text())["members"]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("run grid.yaml", "train"),
        ("synth data", "train"),
        ("select import other --data v0.tfrecord --savedmodel a=exported", "train"),
        ("select frontier pool --plot plot.html", "report"),
        ("report small", "report"),
    ],
)
def test_a_command_says_which_extra_it_lacks(command, extra, plain, workplace):
    (workplace / "runs/small").mkdir(parents=True, exist_ok=True)
    result = plain("-m", "gapsack", *command.split(), cwd=workplace)
    assert result.returncode == 2, result.stdout + result.stderr
    assert f"pip install 'gapsack[{extra}]'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_python_says_so_too(plain, tmp_path):
    code = """
from gapsack import MissingExtraError
from gapsack.models.registry import build
from gapsack.selection.errors import InputError
try:
    build("gated_netvlad", clusters=2, hidden=8, classes=40)
except MissingExtraError as error:
    assert isinstance(error, InputError) and isinstance(error, ImportError)
    print(error)
"""
    said = plain("-c", code, cwd=tmp_path)
    assert said.stdout == "Expected the package keras, which is not installed: pip install 'gapsack[train]'.\n", said


def test_imports_of_others_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if isinstance(finder, MissingExtras)])
    monkeypatch.delitem(sys.modules, "kaleido", raising=False)
    theirs = {"__name__": "theirs.module"}
    with pytest.raises(ModuleNotFoundError) as found:
        exec("import kaleido", theirs)
    assert not isinstance(found.value, MissingExtraError)
    with pytest.raises(MissingExtraError, match=r"gapsack\[images\]"):
        exec("import kaleido", {"__name__": "gapsack.dashboards.images"})


def test_every_extra_brings_what_it_is_said_to():
    called = {"sklearn": "scikit-learn"}
    for module, extra in EXTRAS.items():
        names = {Requirement(text).name for text in PROJECT["optional-dependencies"][extra]}
        assert called.get(module, module.replace("_", "-")) in names, module


NOT_LOCKED = ("gpu", "gp", "bench", "gcs")
"""Extras that nobody here can try, or that bring gigabytes of CUDA."""


def test_the_lock_covers_every_extra_that_is_tried_here():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = {line.partition("==")[0] for line in lines if "==" in line}
    extras = PROJECT["optional-dependencies"]
    wanted = [
        *PROJECT["dependencies"],
        *(text for name in extras if name not in NOT_LOCKED for text in extras[name]),
    ]
    missing = {Requirement(text).name.lower() for text in wanted} - locked - {"gapsack"}
    assert not missing


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """(wheel, sdist) as an index would get them."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    for target in ("wheel", "sdist"):
        subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_wheel_and_sdist_hold_the_rooms_once(built):
    wheel, sdist = built
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = [name for name in opened.namelist() if ".dist-info/" not in name]
    with tarfile.open(sdist) as opened:
        in_sdist = [name.partition("/")[2] for name in opened.getnames()]
    links = [(name, ROOT / "gapsack" / name) for name in ROOMS]
    sources = {
        f"gapsack/{room}/{path.relative_to(folder.resolve())}"
        for room, folder in links
        for path in folder.resolve().rglob("*")
        if path.suffix in (".py", ".css", ".js")
    }
    assert sources <= set(in_wheel)
    assert sources <= set(in_sdist)
    assert "gapsack/py.typed" in in_wheel
    assert {name.partition("/")[0] for name in in_wheel} == {"gapsack"}
    assert not {name.partition("/")[0] for name in in_sdist} & {*ROOMS, "tests"}
    assert set(Counter(in_wheel).values()) == set(Counter(in_sdist).values()) == {1}


def test_the_wheel_knows_its_version(built):
    with zipfile.ZipFile(built[0]) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith("/METADATA")]
        metadata = opened.read(name).decode()
    assert f"\nVersion: {gapsack.__version__}\n" in metadata


def test_an_index_takes_them(built):
    pytest.importorskip("twine")
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *built], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == 2


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == gapsack.__version__
    assert citation["license"] == PROJECT["license"]


@pytest.fixture(scope="module")
def release_notes():
    """The script that a release's workflow runs."""
    spec = importlib.util.spec_from_file_location("release_notes", ROOT / ".ci" / "release_notes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_release_notes_are_the_changelogs_part(release_notes):
    text = "# Changelog\n\n## Unreleased\nlater\n\n## 1.2.0 - 2026-01-01\n### Added\n- This.\n\n## 1.1.0\n- That.\n"
    assert release_notes.notes("1.2.0", text) == "### Added\n- This.\n"
    assert release_notes.notes("1.1.0", text) == "- That.\n"
    with pytest.raises(ValueError, match=r"begins with '## 1\.2'"):
        release_notes.notes("1.2", text)
    assert release_notes.stated((ROOT / "gapsack/__init__.py").read_text(encoding="utf-8")) == gapsack.__version__


def test_workflows_run_what_is_there():
    for path in sorted((ROOT / ".github").rglob("*.yml")):
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict), path
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    steps = [step["run"] for job in ci["jobs"].values() for step in job["steps"] if "run" in step]
    assert "bash .ci/run" in steps
    tested = set(ci["jobs"]["selection"]["strategy"]["matrix"]["python"])
    said = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text}
    assert tested == said


@pytest.mark.parametrize("own_folders", [(), ("models", "selection", "sweep")])
def test_the_wheel_works_wherever_it_is_imported(own_folders, built, plain, tmp_path):
    with zipfile.ZipFile(built[0]) as opened:
        opened.extractall(tmp_path / "installed")
    here = tmp_path / "here"
    here.mkdir()
    for name in own_folders:
        (here / name).mkdir()
        (here / name / "__init__.py").write_text("raise AssertionError('a folder of the user')")
    (here / "grid.yaml").write_text(GRID)
    code = "import gapsack, gapsack.selection.gap, gapsack.models.graph; print(gapsack.__file__)"
    said = plain("-c", code, cwd=here, gapsack_in=tmp_path / "installed")
    assert said.stdout.strip() == str(tmp_path / "installed/gapsack/__init__.py"), said.stderr
    planned = plain("-m", "gapsack", "plan", "grid.yaml", "--json", cwd=here, gapsack_in=tmp_path / "installed")
    assert json.loads(planned.stdout)[0]["status"] == "planned", planned.stderr


@pytest.mark.long
def test_a_real_installation_without_extras(built, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", built[0]]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    installed = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"pip could not fetch the packages: {installed.stderr.strip().splitlines()[-1]}")
    (tmp_path / "grid.yaml").write_text(GRID)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        call = [tmp_path / "venv/bin/sweep", *arguments]
        return subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert command("--version").stdout == f"gapsack {gapsack.__version__}\n"
    assert command("plan", "grid.yaml").returncode == 0
    lacking = command("synth", "data")
    assert (lacking.returncode, lacking.stdout) == (2, "")
    assert "pip install 'gapsack[train]'" in lacking.stderr
    assert [name for name in EXTRAS if list(tmp_path.glob(f"venv/lib/*/site-packages/{name}"))] == []
