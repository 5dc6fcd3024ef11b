"""Whether a machine can train a sweep's trials: what is asked of it, and the look that answers.

The look travels to machines that may lack gapsack, as code: nothing here imports more than Python has.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GPU_SECONDS = 180
"""The longest that a library may take to be imported and to look for GPUs."""

PACKAGE = "gapsack"
WITNESS = "witness"
"""Name of the file in a run's folder by which it is known."""
FOLDER_SECONDS = 10.0
"""Network file systems show a new file to other machines some seconds later."""
SIZED_FILES = 3
"""Of a kind of data files; all are looked for, and the first ones' sizes are compared."""

LIBRARIES = {"tensorflow": "TensorFlow", "jax": "JAX"}
"""Names of Keras' backends, as people write them."""

WITH_CUDA = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda12]"}
"""What of gapsack[gpu] brings CUDA's libraries to a backend."""

COUNT_GPUS = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gapsack.sweep.runs.devices import gpu_count; print(gpu_count(sys.argv[2]))"
)


@dataclass(frozen=True)
class Question:
    """What a machine is held against.

    Attributes:
        version: Of gapsack, as the driver has it.
        sources: A digest of its sources.
        backend: Keras' backend.
        gpu: Whether trials ask for a GPU.
        folders: Names of data files by their folder.
        sizes_bytes: Sizes of some of them, by path.
        storage: Path or URL of the run.
        witness: What its driver has written there (`sweep.runs.witness`); "" where that is not looked at.
    """

    version: str
    sources: str
    backend: str
    gpu: bool = False
    folders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sizes_bytes: Mapping[str, int] = field(default_factory=dict)
    storage: str = ""
    witness: str = ""


def problems(asked: Question) -> list[str]:
    """What keeps this machine from training as the driver would have it, in parts of a sentence; none if nothing does.

    GPUs are not looked for (`gpu_problem`).
    """
    return package_problems(asked) or [*data_problems(asked), *storage_problems(asked)]


def here(files: Iterable[str], *, backend: str, gpu: bool) -> Question:
    """The question that this machine, the driver's, answers without a problem.

    Args:
        files: paths of local data files, the first ones of each kind first.
        backend: Keras' backend.
        gpu: whether trials ask for a GPU.
    """
    folders: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for path in files:
        folder, name = os.path.split(path)
        folders.setdefault(folder, []).append(name)
        if len(folders[folder]) <= SIZED_FILES:
            sizes[path] = Path(path).stat().st_size
    version, sources = installed()
    return Question(version, sources, backend, gpu, folders, sizes)


def installed() -> tuple[str, str]:
    """The version of gapsack that this process would import, and a digest of its sources.

    Raises:
        ImportError: there is none, or it lacks something.
    """
    package = importlib.import_module(PACKAGE)
    root = next(iter(package.__path__))
    found = hashlib.sha256()
    for folder, _folders, names in sorted(os.walk(root, followlinks=True)):
        for name in sorted(name for name in names if name.endswith(".py")):
            path = Path(folder, name)
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return str(package.__version__), found.hexdigest()[:16]


def gpu_problem(backend: str, count: int) -> str | None:
    """Why a trial that asks for a GPU cannot have one here, and what to install; None where `backend` sees some."""
    if count:
        return None
    library = LIBRARIES.get(backend, backend)
    listed = _listed_gpus()
    if not listed:
        return (
            f"{library} sees no GPU, and nvidia-smi lists none: install NVIDIA's driver (in a container, its container "
            "toolkit too), or set resources.gpus: 0 to train on the CPU"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden in ("", "-1"):
        return f"{library} sees no GPU, since CUDA_VISIBLE_DEVICES is {hidden!r}; nvidia-smi lists {listed}"
    return (
        f"{library} sees no GPU, though nvidia-smi lists {listed}: it lacks CUDA's libraries, which pip install "
        f"'gapsack[gpu]' brings ({WITH_CUDA.get(backend, backend)})"
    )


def gpus_of_another_process(backend: str) -> tuple[int, str | None]:
    """How many GPUs `backend` sees on this machine, asked in a process of its own; and what went wrong there.

    All GPUs of the machine: a process that asked Ray for none sees none.
    """
    variables = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    command = [sys.executable, "-c", COUNT_GPUS, json.dumps([p for p in sys.path if isinstance(p, str)]), backend]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GPU_SECONDS, env=variables, check=False)
    except subprocess.TimeoutExpired:
        return 0, f"{LIBRARIES.get(backend, backend)} did not say within {GPU_SECONDS} seconds whether it sees a GPU"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return 0, f"{LIBRARIES.get(backend, backend)} cannot be asked for GPUs: {last}"
    return int(done.stdout.split()[-1]), None


def all_problems(asked: Question) -> list[str]:
    """As `problems`, with GPUs where trials ask for them."""
    found = problems(asked)
    if found or not asked.gpu:
        return found
    count, wrong = gpus_of_another_process(asked.backend)
    lacking = wrong or gpu_problem(asked.backend, count)
    return [] if lacking is None else [lacking]


def package_problems(asked: Question) -> list[str]:
    """Whether gapsack is here as the driver has it, and what trains."""
    try:
        version, sources = installed()
    except Exception as error:  # whatever its import meets, this machine cannot train
        return [f"{PACKAGE} cannot be imported ({type(error).__name__}: {error})"]
    if version != asked.version:
        return [f"it has {PACKAGE} {version}, and the driver {asked.version}"]
    if sources != asked.sources:
        return [f"it has {PACKAGE} {version} of other sources than the driver's (another commit)"]
    if importlib.util.find_spec(asked.backend) is None:
        return [f"{asked.backend} is not installed: pip install 'gapsack[train]', or 'gapsack[gpu]' for a GPU"]
    return []


def data_problems(asked: Question) -> list[str]:
    """Whether the data files are here, as far as their names and some sizes tell."""
    for folder, names in asked.folders.items():
        try:
            there = {path.name for path in Path(folder).iterdir()}
        except OSError as error:
            return [f"it does not see the data folder {folder} ({error.strerror})"]
        missing = [name for name in names if name not in there]
        if missing:
            return [f"{len(missing)} of {len(names)} data files are not in its {folder}, such as {missing[0]}"]
    for path, size_bytes in asked.sizes_bytes.items():
        try:
            found = Path(path).stat().st_size
        except OSError as error:
            return [f"it cannot read {path} ({error.strerror})"]
        if found != size_bytes:
            return [f"its {path} has {found} bytes, and the driver's {size_bytes}"]
    return []


def storage_problems(asked: Question) -> list[str]:
    """Whether the run is here as its driver sees it, by a file that this wrote; a bucket is written to as well."""
    if not asked.witness:
        return []
    if "://" in asked.storage:
        access = importlib.import_module(f"{PACKAGE}.sweep.storage.access")
        problem = access.bucket_problem(asked.storage, WITNESS, asked.witness)
        return [] if problem is None else [problem]
    until = time.monotonic() + FOLDER_SECONDS
    while _content(Path(asked.storage, WITNESS)) != asked.witness:
        if time.monotonic() >= until:
            return [
                f"it does not see the run's folder {asked.storage} as the driver does: storage must be a folder that "
                "all nodes see, or a bucket"
            ]
        time.sleep(0.5)
    return []


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _listed_gpus() -> int:
    """How many GPUs NVIDIA's driver lists here."""
    if shutil.which("nvidia-smi") is None:
        return 0
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return 0 if done.returncode else sum(line.startswith("GPU ") for line in done.stdout.splitlines())
