"""What the Tune process looks at every few seconds while trials run.

Importing this module imports Ray Tune.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from gapsack.sweep.cluster.messages import SweepNotice
from gapsack.sweep.cluster.nodes import ClusterNode
from gapsack.sweep.cluster.ray import end_without_node, shortage
from gapsack.sweep.cluster.resources import TrialResources

NODE_SECONDS = 3.0
WAITING_SECONDS = 60.0

Tell = Callable[[SweepNotice], None]


class Periodic(tune.Callback):
    """Looks at how things are, every so many seconds, in Tune's loop.

    Args:
        seconds: Between two looks.
        first: Until the first.
    """

    def __init__(self, seconds: float, *, first: float = 0.0) -> None:
        self._seconds = seconds
        self._next_look = time.monotonic() + first

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks into a state that is never read; a connection cannot be pickled."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **_info: Any) -> None:
        """Look, if it is time."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + self._seconds
            self.look(trials)

    @abstractmethod
    def look(self, trials: list[Trial]) -> None:
        """Look once; `trials` are those that Tune has."""


class NodeWatch(Periodic):
    """Ends this process when Ray's only node, this machine, has died: Tune would wait for another one for ever."""

    def __init__(self) -> None:
        super().__init__(NODE_SECONDS)

    def look(self, trials: list[Trial]) -> None:
        """See whether the node is there."""
        end_without_node()


class GoneNodes(Periodic):
    """Says which node of the cluster is gone, with Ray's reason: a trial's own end often cannot tell."""

    def __init__(self, tell: Tell, nodes: Callable[[], Sequence[ClusterNode]]) -> None:
        super().__init__(NODE_SECONDS)
        self._tell = tell
        self._nodes = nodes
        self._living: set[str] = set()

    def look(self, trials: list[Trial]) -> None:
        """Compare with the last look."""
        nodes = self._nodes()
        for node in nodes:
            if not node.alive and node.node_id in self._living:
                self._tell(SweepNotice(f"The node {node.name} is gone{f': {node.end}' if node.end else ''}"))
        self._living = {node.node_id for node in nodes if node.alive}


class Waiting(Periodic):
    """Says, every minute, that trials wait for a node, and what the nodes lack.

    Args:
        tell: Gets what to say.
        resources: Of the trials.
        nodes: What each node has that trials may go to, by Ray's names.
    """

    def __init__(
        self, tell: Tell, resources: TrialResources, nodes: Callable[[], Sequence[Mapping[str, float]]]
    ) -> None:
        super().__init__(WAITING_SECONDS, first=WAITING_SECONDS)
        self._tell = tell
        self._resources = resources
        self._nodes = nodes

    def look(self, trials: list[Trial]) -> None:
        """Tell of those that wait, if any does."""
        waiting = [trial for trial in trials if trial.status == Trial.PENDING]
        if waiting:
            self._tell(SweepNotice(self._told(waiting, sum(trial.status == Trial.RUNNING for trial in trials))))

    def _told(self, waiting: list[Trial], running: int) -> str:
        needed = self._resources.largest(trial.config for trial in waiting)
        nodes = self._nodes()
        short = shortage(needed, nodes)
        why = "the nodes are taken" if short is None else f"{short} on any of {len(nodes)} nodes"
        return f"{len(waiting)} trials wait for a node while {running} run: {why}"
