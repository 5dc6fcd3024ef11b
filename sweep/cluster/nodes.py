"""The machines of a Ray cluster, as Ray knows them now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

NODE_ID_LABEL = "ray.io/node-id"
"""Ray's own label of every node."""


@dataclass(frozen=True)
class ClusterNode:
    """A node.

    Attributes:
        node_id: Ray's id of it, in hexadecimal.
        host: The host's name.
        address: Its IP address.
        alive: Whether Ray has it.
        resources: What it has, by Ray's names.
        end: Why Ray has it no more; "" where it does not say.
    """

    node_id: str
    host: str
    address: str
    alive: bool = True
    resources: Mapping[str, float] = field(default_factory=dict)
    end: str = ""

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.host} ({self.address})"


def cluster_nodes() -> list[ClusterNode]:
    """The nodes that Ray has or had, in no order."""
    import ray

    return [
        ClusterNode(
            node_id=node["NodeID"],
            host=node["NodeManagerHostname"],
            address=node["NodeManagerAddress"],
            alive=node["Alive"],
            resources=node.get("Resources", {}),
            end=" ".join(node.get("DeathReasonMessage", "").split()),
        )
        for node in ray.nodes()
    ]


def node_of(nodes: Sequence[ClusterNode], *, node_id: str | None, address: str | None) -> ClusterNode | None:
    """The node of an id or, where that is not known, the only one at an address; None where that does not tell."""
    if node_id is not None:
        return next((node for node in nodes if node.node_id == node_id), None)
    there = [node for node in nodes if node.address == address]
    living = [node for node in there if node.alive]
    found = there if len(there) == 1 else living  # a node that comes again has another id
    return found[0] if len(found) == 1 else None


def elsewhere(nodes: Iterable[ClusterNode]) -> dict[str, str] | None:
    """A selector of nodes, as Ray's labels have it, for all but these; None where there are none to leave out."""
    left_out = sorted(node.node_id for node in nodes)
    return {NODE_ID_LABEL: f"!in({','.join(left_out)})"} if left_out else None
