"""Signals to `sweep run`, at the moments of its life: it stops in order, and goes on to the same bits.

Real Ray, each time in a process of its own; for most of the table trials walk at random (`walking_sweep.py`), since a
training spends its time on importing TensorFlow. Afterwards no process, no temporary file and no file of Ray's in the
home is left.
"""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gapsack.sweep.data.synth.write import write_synth

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STEPS, EVERY = 60, 10
TRIALS = ("K2-H8", "K3-H8")
GRID = f"""
name: run
data: {{level: video, folder: data, train: ["train*.tfrecord"], validate: ["validate*.tfrecord"],
       holdout: {{count: 1}}, classes: 12}}
model: {{family: gated_netvlad, options: {{mixtures: 2}}}}
search: {{grid: {{clusters: [2, 3], hidden: [8]}}}}
training:
  {{steps: {STEPS}, batch_size: 16, learning_rate: 3e-3, checkpoint_steps: {EVERY},
   averaging: {{last: 2, max_evaluations: 3}}}}
resources: {{cpus: 1, concurrent: 1}}
"""

MOMENTS = {
    "Ray starts": "2 trials",
    "the first trial begins": "K2-H8 runs",
    "it trains": f"K2-H8 at step {2 * EVERY}:",
    "it finishes": f"K2-H8 at step {STEPS}:",
    "between two trials": "K2-H8 done",
    "the last one trains": f"K3-H8 at step {2 * EVERY}:",
    "all is done": "(2 of 2)",
}
"""What `sweep run` prints when the moment has come."""

DRIVER, EVERYONE = "the driver", "everyone"
"""Who gets the signal: `kill` and `docker stop` mean one process, systemd and `scancel` may mean all of a job's."""

WALKING = [str(Path(__file__).with_name("walking_sweep.py"))]
TRAINING = ["-m", "gapsack"]

TABLE = [
    # signal, to whom, when: the exit code is 128 + the signal's number, or 0 when nothing is left to do.
    # Each moment once, each signal and receiver at several of them: one handler takes all three signals.
    (signal.SIGINT, DRIVER, "it trains"),
    (signal.SIGTERM, DRIVER, "Ray starts"),
    (signal.SIGHUP, DRIVER, "the first trial begins"),
    (signal.SIGHUP, DRIVER, "it finishes"),
    (signal.SIGTERM, DRIVER, "between two trials"),
    (signal.SIGHUP, DRIVER, "the last one trains"),
    (signal.SIGINT, DRIVER, "all is done"),
    (signal.SIGTERM, EVERYONE, "Ray starts"),
    (signal.SIGTERM, EVERYONE, "it finishes"),
]


class Place:
    """A folder in which `sweep run` is given, with a home and a place for temporary files that nobody else uses."""

    def __init__(self, folder: Path, temporary: Path, program: list[str]) -> None:
        self.folder = folder
        self.program = program
        self.temporary = temporary
        self.home = folder / "home"
        self.home.mkdir()
        self.mark = uuid.uuid4().hex
        self.run = folder / "runs" / "run"

    @property
    def environment(self) -> dict[str, str]:
        # MLflow puts the store that a test of this process used into the environment.
        mine = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        own = {"HOME": str(self.home), "TMPDIR": str(self.temporary), "GAPSACK_TEST": self.mark}
        return mine | own | {"NUMBA_CACHE_DIR": str(self.home / "numba")}

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *self.program, "run", "grid.yaml"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> list[int]:
        """The living processes that come from here."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"GAPSACK_TEST={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def weights(self) -> dict[str, dict[str, bytes]]:
        """Every array of the trials' weights, as bytes."""
        found = {}
        for name in TRIALS:
            with np.load(self.run / "trials" / name / "weights.npz") as file:
                found[name] = {key: file[key].tobytes() for key in file.files}
        return found

    def assert_nothing_is_left(self) -> None:
        wait_for(lambda: self.processes() == [], "a process is left")
        assert list(self.temporary.iterdir()) == []
        assert not (self.home / ".ray").exists()
        assert {path.name for path in self.run.iterdir()} & {"stop", "tune", "ray.log"} == set()

    def resume(self) -> None:
        done = self.start()
        printed, _ = done.communicate(timeout=600)
        assert done.returncode == 0, printed
        self.assert_nothing_is_left()


def wait_for(condition: Callable[[], bool], problem: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.1)


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """All that is printed up to a line with `text`."""
    printed = ""
    assert process.stdout is not None
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    pytest.fail(f"{text!r} was never printed:\n{printed}")


Bits = dict[str, dict[str, bytes]]
Make = Callable[[Path, list[str]], Place]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a grid file and its data."""
    folder = tmp_path_factory.mktemp("signals")
    sizes = {"train_files": 2, "validate_files": 2, "videos_per_file": 40, "min_frames": 1, "max_frames": 1}
    write_synth(folder / "data", level="video", classes=12, seed=0, **sizes)
    (folder / "grid.yaml").write_text(GRID)
    return folder


@pytest.fixture(scope="module")
def places(data: Path) -> Iterator[Make]:
    """Makes a place in an empty folder."""
    made: list[Place] = []

    def make(folder: Path, program: list[str]) -> Place:
        shutil.copytree(data, folder, dirs_exist_ok=True)
        # Short, or Ray's sockets would have to lie elsewhere.
        made.append(Place(folder, Path(tempfile.mkdtemp(prefix="t", dir="/tmp")), program))
        return made[-1]

    yield make
    for place in made:
        for process_id in place.processes():  # of a test that failed
            os.kill(process_id, signal.SIGKILL)
        shutil.rmtree(place.temporary, ignore_errors=True)


@pytest.fixture
def place(places: Make, tmp_path: Path) -> Place:
    return places(tmp_path, WALKING)


def undisturbed(places: Make, folder: Path, program: list[str]) -> Bits:
    """The weights of a run that nobody disturbs."""
    place = places(folder, program)
    place.resume()
    return place.weights()


@pytest.fixture
def training_place(places: Make, tmp_path: Path) -> Place:
    return places(tmp_path, TRAINING)


@pytest.fixture(scope="module")
def walked(places: Make, tmp_path_factory: pytest.TempPathFactory) -> Bits:
    return undisturbed(places, tmp_path_factory.mktemp("walked"), WALKING)


@pytest.fixture(scope="module")
def trained(places: Make, tmp_path_factory: pytest.TempPathFactory) -> Bits:
    return undisturbed(places, tmp_path_factory.mktemp("trained"), TRAINING)


def stop_and_resume(place: Place, number: int, to: str, moment: str, *, slow: bool = True) -> None:
    process = place.start()
    printed = wait_for_line(process, MOMENTS[moment])

    for receiver in [process.pid] if to == DRIVER else place.processes():
        os.kill(receiver, number)

    rest, _ = process.communicate(timeout=300)
    assert process.returncode == (0 if moment == "all is done" else 128 + number), printed + rest
    place.assert_nothing_is_left()
    if moment == "it trains" and to == DRIVER and slow:  # a fast trial may be done before it hears of it
        assert "K2-H8 stopped; it goes on from its last checkpoint" in rest
        assert (place.run / "trials" / "K2-H8" / "checkpoints").is_dir()
    place.resume()


@pytest.mark.long
@pytest.mark.parametrize(("number", "to", "moment"), TABLE)
def test_a_signal_stops_in_order_and_the_same_command_goes_on_to_the_same_bits(
    place: Place, walked: Bits, number: signal.Signals, to: str, moment: str
) -> None:
    stop_and_resume(place, number, to, moment)
    assert place.weights() == walked


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "to", "moment"),
    [
        (signal.SIGTERM, DRIVER, "it trains"),
        (signal.SIGTERM, EVERYONE, "the last one trains"),
    ],
)
def test_so_does_a_real_training(
    training_place: Place, trained: Bits, number: signal.Signals, to: str, moment: str
) -> None:
    stop_and_resume(training_place, number, to, moment, slow=False)
    assert training_place.weights() == trained


@pytest.mark.long
def test_a_dropped_terminal_is_a_signal_too(place: Place, walked: Bits) -> None:
    """An ssh that is dropped: the terminal is gone, writing to it fails, and SIGHUP says so."""
    ours, theirs = pty.openpty()
    # A session of its own, of which the terminal is the controlling one, as a login has it.
    code = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *place.program, "run", "grid.yaml"],
        cwd=place.folder,
        env=place.environment | {"TERM": "xterm", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    printed = b""
    while b"K2-H8 runs" not in printed:
        printed += os.read(ours, 4096)

    os.close(ours)

    assert process.wait(timeout=300) == 128 + signal.SIGHUP
    place.assert_nothing_is_left()
    place.resume()
    assert place.weights() == walked


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(place: Place, walked: Bits, number: int) -> None:
    process = place.start()
    wait_for_line(process, MOMENTS["it trains"])
    os.kill(process.pid, signal.SIGTERM)
    wait_for_line(process, "stopping:")
    os.kill(process.pid, number)
    printed, _ = process.communicate(timeout=300)
    # The trial may have stopped before the second one came.
    assert process.returncode in (128 + number, 128 + signal.SIGTERM), printed
    place.assert_nothing_is_left()
    place.resume()
    assert place.weights() == walked
