"""What one use of Ray has on this machine: a mark on its processes, temporary folders, and who clears up both.

And what Ray is told by the environment. Nothing here imports Ray.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gapsack.sweep.cluster import reaper

LONGEST_TEMPORARY_PATH = 40
"""Ray puts Unix sockets about 65 characters below its folder, and their paths end at 107."""


QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray prints to standard output that a worker died; so do we, as a reason
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables; `verbose=0` silences the old output only
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # the run's records are elsewhere, and trial functions use absolute paths
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # GAP is not in every report
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # see sweep.cluster.signals
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # Tune's experiment state is never read
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # which attempts count is for sweep.cluster.retries to say
}

JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""By this variable Ray tells a job's entry point, which may be `sweep run`, the environment that the job asked for."""

OVERRIDE_JOB = "RAY_OVERRIDE_JOB_RUNTIME_ENV"
"""Ray refuses to join that with an environment of our own, even where they agree, unless this is set: ours wins."""

RECONNECT_SECONDS = 20
"""After so long without its head process a session on one machine is lost; Ray's own minute is for clusters."""


@dataclass(frozen=True)
class Session:
    """The names of a session.

    Attributes:
        mark: Value of the environment variable `reaper.MARK` in each of its processes.
        folder: Ray's own files and sockets.
        temporary: What its processes write as temporary files; where the user's own lie, which may be a larger disk.
    """

    mark: str
    folder: Path
    temporary: Path


def session_variables(session: Session, address: str | None) -> dict[str, str]:
    """Environment variables of a process that is to use Ray in this session; Ray reads some when it is imported."""
    variables = QUIET | {"TMPDIR": str(session.temporary)}
    if address is not None:
        return variables | {OVERRIDE_JOB: "1"}
    return variables | {
        # A job's environment is the cluster's: its packages lie there, and here is a Ray of our own.
        JOB_CONFIG: "{}",
        # The loopback address as the node's own, so that nothing listens on any other. Ray does so by itself on Windows
        # and macOS, and this is how it is told to there or here.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # Other users of the machine reach the loopback address too. Without a token in the environment Ray would write
        # one to the user's home, where it changes what their next `ray start` does.
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT_SECONDS),
    }


@contextmanager
def reaped_session() -> Iterator[Session]:
    """A new session; at the end, this process's sudden death included, `sweep.cluster.reaper` leaves nothing of it."""
    parent = tempfile.gettempdir()
    short = len(parent) <= LONGEST_TEMPORARY_PATH
    folder = Path(tempfile.mkdtemp(prefix="gapsack-", dir=parent if short else "/tmp"))
    temporary = folder / "tmp" if short else Path(tempfile.mkdtemp(prefix="gapsack-", dir=parent))
    temporary.mkdir(exist_ok=True)
    mark = uuid.uuid4().hex
    # -I: nothing on the script's path but the standard library. A session of its own: Ctrl-C must not reach it.
    command = [sys.executable, "-I", reaper.__file__, mark, str(folder), str(temporary)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield Session(mark, folder, temporary)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the time of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
