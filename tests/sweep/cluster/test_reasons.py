"""Why a worker is gone, of the errors and the texts that Ray has for it."""

from __future__ import annotations

import pytest
from ray.core.generated.common_pb2 import ActorDiedErrorContext, NodeDeathInfo
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    OutOfMemoryError,
    RayTaskError,
    RuntimeEnvSetupError,
)

from gapsack.sweep.cluster.nodes import ClusterNode, node_of
from gapsack.sweep.cluster.reasons import last_failure, place_of, reason_of
from gapsack.sweep.errors import UnfitNodeError

NODE = ClusterNode("ab" * 28, "worker3", "10.0.0.7")
DEAD = ClusterNode("ab" * 28, "worker3", "10.0.0.7", alive=False, end="health check failed due to missing heartbeats")

EXIT = (
    "The actor is dead because its worker process has died. Worker exit type: {} Worker exit detail: Worker "
    "unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the process was "
    "killed by the OOM killer due to high memory usage, (2) ray stop --force was called, or (3) the worker crashed."
)


def died(message: str, **context) -> ActorDiedError:
    """As Ray makes it of what its head process says."""
    return ActorDiedError(
        ActorDiedErrorContext(
            class_name="ImplicitFunc",
            actor_id=b"\1" * 16,
            pid=7,
            node_ip_address="10.0.0.7",
            error_message=message,
            **context,
        )
    )


def raised(error: Exception, traceback: str) -> RayTaskError:
    return RayTaskError("ray::ImplicitFunc.train()", traceback, error, pid=7, ip="10.0.0.7")


TRACE = 'Traceback (most recent call last):\n  File "trial.py", line 3, in trial\n'

CASES = {
    "a process that died": (
        died(EXIT.format("SYSTEM_ERROR")),
        NODE,
        "the worker process on worker3 (10.0.0.7) died (killed from outside, out of memory by the system's own count, "
        "or a crash in native code: Ray cannot tell); Ray says SYSTEM_ERROR; Worker unexpectedly exits with a "
        "connection error code 2",
    ),
    "Ray's memory monitor": (
        died(EXIT.format("NODE_OUT_OF_MEMORY")),
        NODE,
        "Ray ended the worker on worker3 (10.0.0.7), since the node ran low on memory: have fewer trials at once there "
        "(resources.memory_gib, resources.concurrent), or smaller ones",
    ),
    "the memory monitor, of a start": (
        OutOfMemoryError("Task was killed due to the node running low on memory.\nMemory on the node was 9 of 9 GB"),
        None,
        "Ray ended the worker, since the node ran low on memory: have fewer trials at once there "
        "(resources.memory_gib, resources.concurrent), or smaller ones",
    ),
    "a node that is gone": (
        died(
            "The actor died because its node has died. Node Id: " + "ab" * 28 + "\n"
            "\tthe actor's node was terminated unexpectedly: health check failed due to missing heartbeats",
            reason=ActorDiedErrorContext.Reason.NODE_DIED,
        ),
        NODE,
        "the node worker3 (10.0.0.7) is gone: health check failed due to missing heartbeats",
    ),
    "a node that Ray knows to be gone, of a process that died with it": (
        died(EXIT.format("SYSTEM_ERROR")),
        DEAD,
        "the node worker3 (10.0.0.7) is gone: health check failed due to missing heartbeats",
    ),
    "a node that was preempted": (
        died(
            "The actor died because its node has died.",
            node_death_info=NodeDeathInfo(reason=NodeDeathInfo.AUTOSCALER_DRAIN_PREEMPTED),
        ),
        NODE,
        "the node worker3 (10.0.0.7) was taken away (preempted)",
    ),
    "a connection that is lost": (
        ActorUnavailableError("The actor is temporarily unavailable: RpcError: Socket closed rpc_code: 14", b"\1" * 16),
        NODE,
        "the connection to the worker on worker3 (10.0.0.7) was lost: the node is dead or cut off, or the process was "
        "killed; Ray cannot tell yet (The actor is temporarily unavailable: RpcError: Socket closed rpc_code: 14. The "
        "task may or may not have been executed on the actor.)",
    ),
    "a connection to a node that is gone": (
        ActorUnavailableError("RpcError", b"\1" * 16),
        DEAD,
        "the node worker3 (10.0.0.7) is gone: health check failed due to missing heartbeats",
    ),
    "a package that is not there": (
        ActorDiedError.from_task_error(
            raised(
                RuntimeError(),
                "The actor with name ImplicitFunc failed to import on the worker. This may be because needed library "
                f"dependencies are not installed:\n{TRACE}ModuleNotFoundError: No module named 'gapsack'",
            )
        ),
        NODE,
        "the worker could not be started on worker3 (10.0.0.7): ModuleNotFoundError: No module named 'gapsack'; every "
        "node needs the driver's gapsack, with its packages",
    ),
    "an environment": (
        RuntimeEnvSetupError("Failed to download the working_dir\nValueError: no space is left"),
        NODE,
        "Ray could not set up the job's environment on worker3 (10.0.0.7): ValueError: no space is left",
    ),
    "the trial's own error": (
        raised(OSError("the disk is full"), f"{TRACE}OSError: the disk is full"),
        NODE,
        "on worker3 (10.0.0.7): OSError: the disk is full",
    ),
    "the trial's own error on one machine": (
        raised(OSError("the disk is full"), f"{TRACE}OSError: the disk is full"),
        None,
        "OSError: the disk is full",
    ),
    "a node that does not suit": (
        raised(UnfitNodeError("the trial asks for a GPU"), f"{TRACE}UnfitNodeError: the trial asks for a GPU"),
        NODE,
        "on worker3 (10.0.0.7): the trial asks for a GPU",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_end_has_its_own_sentence_with_the_node(case):
    error, node, said = CASES[case]
    assert reason_of(error, str(error), node) == said


def test_an_error_that_cannot_be_copied_is_told_by_its_own_words():
    """Tune copies what a trial raises, and raises what that meets instead."""
    trace = (
        f"{TRACE}Weird: the disk is full\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        '  File "ray/air/_internal/util.py", line 56, in skip_exceptions\n    new_exc = copy.copy(exc)\n'
        "TypeError: Weird.__init__() missing 1 required positional argument: 'path'"
    )
    assert reason_of(raised(TypeError("missing 1"), trace), trace, None) == "Weird: the disk is full"


def test_what_tune_kept_as_text_alone_is_told_by_its_last_line_or_its_first():
    assert reason_of(None, f"{TRACE}worker.Strange: no more", None) == "worker.Strange: no more"
    assert reason_of(None, "Placement failed\nsee the log", None) == "Placement failed"
    assert reason_of(None, "", None) == "Ray gave no reason"


def test_of_tunes_file_the_last_failure_counts():
    kept = "Failure # 1 (occurred at 2026-01-01_00-00-00)\nfirst\nFailure # 2 (occurred at 2026-01-01_00-00-09)\nlast\n"
    assert last_failure(kept) == "last"
    assert last_failure("") == ""


def test_an_error_says_where_it_was():
    error = died(EXIT.format("SYSTEM_ERROR"))
    assert place_of(error, str(error)) == (None, "10.0.0.7")
    died_with_node = "The actor died because its node has died. Node Id: abcdef0123"
    assert place_of(None, died_with_node) == ("abcdef0123", None)
    assert place_of(raised(OSError(), TRACE), TRACE) == (None, "10.0.0.7")
    assert place_of(None, "ray::ImplicitFunc.__init__() (pid=7, ip=10.0.0.8, actor_id=1f)") == (None, "10.0.0.8")
    assert place_of(None, "nothing") == (None, None)


def test_a_node_is_named_only_where_one_is_meant():
    other = ClusterNode("cd" * 28, "worker4", "10.0.0.8")
    again = ClusterNode("ef" * 28, "worker3", "10.0.0.7")
    assert node_of([NODE, other], node_id="cd" * 28, address=None) == other
    assert node_of([NODE, other], node_id=None, address="10.0.0.7") == NODE
    assert node_of([DEAD, other], node_id=None, address="10.0.0.7") == DEAD
    assert node_of([DEAD, again], node_id=None, address="10.0.0.7") == again
    assert node_of([NODE, again], node_id=None, address="10.0.0.7") is None
    assert node_of([NODE], node_id=None, address=None) is None
