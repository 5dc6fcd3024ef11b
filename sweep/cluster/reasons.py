"""Why an attempt at a trial ended, in a sentence: what Ray says, which node it was on, and what cannot be told.

Tune keeps an error of the trial or of its actor as an object, and any other one of Ray's as its text alone.
"""

from __future__ import annotations

import re

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    RayActorError,
    RayError,
    RayTaskError,
    RuntimeEnvSetupError,
)

from gapsack.sweep.cluster.nodes import ClusterNode
from gapsack.sweep.errors import UnfitNodeError
from gapsack.sweep.storage.objects import StorageAwayError

UNKNOWN = "killed from outside, out of memory by the system's own count, or a crash in native code: Ray cannot tell"

_ADDRESS = re.compile(r"\bip(?:: |=)([0-9A-Fa-f.:]+)")
_NODE_ID = re.compile(r"[Nn]ode I[dD]: ([0-9a-f]{8,})")
_ERROR_LINE = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit|Interrupt)): (.+)$")
_FAILURE = re.compile(r"^Failure # \d+ \(occurred at [^)]*\)$", re.MULTILINE)
_MEMORY = ("low on memory", "NODE_OUT_OF_MEMORY")
_NODE_DIED = "its node has died"
_PREEMPTED = "node was preempted"
_KILLED_BY_RAY = "killed by `ray.kill`"
_NO_ENVIRONMENT = (str(RuntimeEnvSetupError()), "runtime env failed to be created")
_NOT_IMPORTED = "failed to import on the worker"
_IN_CODE = '  File "'
_COPIED = "in skip_exceptions"
_NEXT = "The above exception was the direct cause of the following exception:"


def place_of(error: BaseException | None, text: str) -> tuple[str | None, str | None]:
    """What an error says of where it was: a node's id and an IP address, None for what it does not say."""
    node_id = _NODE_ID.search(text)
    address = _ADDRESS.search(text)
    said = getattr(error, "ip", None) if isinstance(error, RayTaskError) else None
    return node_id and node_id[1], said or (address and address[1])


def last_failure(details: str) -> str:
    """Of Tune's file of a trial's errors, the last one."""
    return _FAILURE.split(details)[-1].strip()


def reason_of(error: BaseException | None, text: str, node: ClusterNode | None) -> str:
    """Why an attempt ended.

    Args:
        error: what Tune kept, where it kept an object.
        text: of that error, or of one that it kept no object of.
        node: the node that the attempt was on, as Ray has it now; None where that is not known.
    """
    for rule in (_of_trial, _of_connection, _of_environment, _of_start, _of_memory, _of_death):
        said = rule(error, text, node)
        if said is not None:
            return said
    # A stack trace ends with its error; Ray's own messages begin with what matters.
    return _last_error(text) or (_lines(text)[-1] if _IN_CODE in text else _lines(text)[0])


def _of_trial(error: BaseException | None, text: str, node: ClusterNode | None) -> str | None:
    """An error that was raised in the trial."""
    if not isinstance(error, RayTaskError):
        return None
    said = _of_code(error.cause, text)
    return said if node is None else f"on {node.name}: {said}"


def _of_connection(error: BaseException | None, text: str, node: ClusterNode | None) -> str | None:
    """The worker does not answer; whether it is dead is not known."""
    if not isinstance(error, ActorUnavailableError):
        return None
    if node is not None and not node.alive:
        return _gone(node)
    where = "the worker" if node is None else f"the worker on {node.name}"
    return (
        f"the connection to {where} was lost: the node is dead or cut off, or the process was killed; Ray cannot tell "
        f"yet ({_lines(text)[0].split(': ', 1)[-1]})"
    )


def _of_environment(error: BaseException | None, text: str, node: ClusterNode | None) -> str | None:
    """What the job asks of a node before anything runs there."""
    if isinstance(error, ActorDiedError) and error.actor_init_failed:
        return None  # the words may be the code's own
    if not any(words in text for words in _NO_ENVIRONMENT):
        return None
    return f"Ray could not set up the job's environment{_on(node)}: {_last_error(text) or _lines(text)[-1]}"


def _of_start(error: BaseException | None, text: str, node: ClusterNode | None) -> str | None:
    """The worker's code could not be imported or unpickled."""
    if not (isinstance(error, RayActorError) and (error.actor_init_failed or _NOT_IMPORTED in text)):
        return None
    said = _last_error(text) or _lines(text)[0]
    lacking = said.startswith(("ModuleNotFoundError", "ImportError"))
    advice = "; every node needs the driver's gapsack, with its packages" if lacking else ""
    return f"the worker could not be started{_on(node)}: {said}{advice}"


def _of_memory(error: BaseException | None, text: str, node: ClusterNode | None) -> str | None:
    """Ray's memory monitor, or the type of the worker's exit."""
    if not any(words in text for words in _MEMORY):
        return None
    return (
        f"Ray ended the worker{_on(node)}, since the node ran low on memory: have fewer trials at once there "
        "(resources.memory_gib, resources.concurrent), or smaller ones"
    )


def _of_death(error: BaseException | None, text: str, node: ClusterNode | None) -> str | None:
    """The worker's process or its node is gone."""
    if not isinstance(error, ActorDiedError):
        return None
    if error.preempted or _PREEMPTED in text:
        return f"{_named(node)} was taken away (preempted)"
    if node is not None and not node.alive:
        return _gone(node)
    if _NODE_DIED in text:
        how = re.search(r"node was terminated[^:\n]*: (.+)", text)
        return f"{_named(node)} is gone{f': {how[1].strip()}' if how else ''}"
    if _KILLED_BY_RAY in text:
        return f"Ray was told to end the worker process{_on(node)} (ray.kill)"
    exit_type = re.search(r"Worker exit type: (\w+)", text)
    detail = re.search(r"Worker exit detail: ([^.]*)", text)
    said = "; ".join(found[1].strip() for found in (exit_type, detail) if found)
    return f"the worker process{_on(node)} died ({UNKNOWN})" + (f"; Ray says {said}" if said else "")


def _on(node: ClusterNode | None) -> str:
    return "" if node is None else f" on {node.name}"


def _named(node: ClusterNode | None) -> str:
    return "a node that Ray does not name" if node is None else f"the node {node.name}"


def _gone(node: ClusterNode) -> str:
    return f"the node {node.name} is gone{f': {node.end}' if node.end else ''}"


def _of_code(cause: BaseException, text: str) -> str:
    """An error that was raised in the trial."""
    if isinstance(cause, UnfitNodeError | StorageAwayError):
        return str(cause)
    if _COPIED in text and (first := _before_the_next(text)):  # Tune copies errors, which not all of them survive
        return first
    if type(cause) is RayError:  # which stands for one that cannot be pickled
        return _last_error(text) or str(cause)
    return f"{type(cause).__name__}: {str(cause).strip()}".splitlines()[0]


def _before_the_next(text: str) -> str:
    """The first error of a chain."""
    lines = [line.strip() for line in text.partition(_NEXT)[0].splitlines() if line.strip()]
    return lines[-1] if lines and _NEXT in text else ""


def _last_error(text: str) -> str:
    """The last line of a stack trace that names an error, without what colours it."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    named = [found for line in plain.splitlines() if (found := _ERROR_LINE.match(line.strip()))]
    return f"{named[-1][1]}: {named[-1][2].strip()}" if named else ""


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()] or ["Ray gave no reason"]
