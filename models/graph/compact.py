"""A smaller graph of the same operations: what is computed twice is merged, what can be inferred left out.

Members repeat the same constants, and those that sample the same frames the same dequantizing. A graph definition also
spells out every name again wherever it is used, and the shape of every output: together most of its bytes. Names that
mean something outside are kept; shapes are inferred again when the graph is read.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

INFERRED_ATTRIBUTES = ("_output_shapes", "_has_manual_control_dependencies")


def compact(graph_def: Any, *, keep: Set[str], stateful: Set[str]) -> tuple[Any, dict[str, str]]:
    """Merge and rename the operations of a graph.

    Args:
        graph_def: A `GraphDef` whose operations come after their inputs.
        keep: Names of operations that stay, under their name.
        stateful: Types of operations that are never merged.

    Returns:
        The smaller `GraphDef`, and the new name of every operation by its old one.
    """
    smaller = type(graph_def)(versions=graph_def.versions, library=graph_def.library)
    renamed: dict[str, str] = {}
    known: dict[bytes, str] = {}
    for node in graph_def.node:
        copy = smaller.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [_renamed_input(name, renamed) for name in node.input]
        copy.ClearField("experimental_type")
        for attribute in INFERRED_ATTRIBUTES:
            copy.attr.pop(attribute, None)
        copy.name = ""
        content = copy.SerializeToString(deterministic=True)
        if node.name not in keep and content in known:
            renamed[node.name] = known[content]
            del smaller.node[-1]
            continue
        copy.name = renamed[node.name] = node.name if node.name in keep else f"op{len(smaller.node)}"
        if node.op not in stateful:
            known[content] = copy.name
    return smaller, renamed


def rename_tensor(name: str, renamed: dict[str, str]) -> str:
    """New name of a tensor (`operation:output`) or operation."""
    operation, colon, output = name.partition(":")
    return renamed[operation] + colon + output


def _renamed_input(name: str, renamed: dict[str, str]) -> str:
    return "^" + renamed[name[1:]] if name.startswith("^") else rename_tensor(name, renamed)
