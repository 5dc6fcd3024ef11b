"""The ensemble as a MetaGraph, the format of the 2018 challenge.

Its inference code imports the graph, restores the checkpoint beside it, and looks up three collections:
`input_batch_raw` (dequantized frames, float32, zeros beyond a video's end), `num_frames` and `predictions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from gapsack.models.graph.blending import Blend
from gapsack.models.graph.build import GraphInfo, Progress, check_budget, stored_arrays
from gapsack.models.graph.checkpoint import write_checkpoint
from gapsack.models.graph.definition import graph_definition
from gapsack.models.graph.files import file_sizes, write_extra_files
from gapsack.models.graph.members import AnyMember
from gapsack.models.graph.network import build_network
from gapsack.selection.files import whole_folder

PREFIX = "inference_model"


def build_meta_graph(
    members: Sequence[AnyMember],
    directory: str | Path,
    *,
    blend: Blend = "probability",
    budget_bytes: int | None = None,
    max_frames: int = 300,
    saturate: bool = False,
    extra_files: Mapping[str, bytes] | None = None,
    progress: Progress | None = None,
) -> GraphInfo:
    """Write `inference_model.meta`, `.index` and `.data-…` into a folder that appears whole or not at all.

    Restored with TensorFlow alone: `tf.compat.v1.train.import_meta_graph(prefix + ".meta").restore(session, prefix)`.
    Arguments and errors as for `build_graph`. A video-level graph is fed as frames of one a video.
    """
    target = Path(directory)
    saturated: Counter[str] = Counter()
    network = build_network(members, level="frame", blend=blend, max_frames=max_frames, takes_features=True)
    with whole_folder(target, marker=f"{PREFIX}.meta") as part:
        write_checkpoint(part / PREFIX, stored_arrays(members, saturated if saturate else None, progress))
        definition = graph_definition(network)
        collections = {
            "input_batch_raw": network.frames,
            "num_frames": network.num_frames,
            "predictions": network.predictions,
        }
        for name, tensor in collections.items():
            definition.collection_def[name].node_list.value.append(tensor.name)
        (part / f"{PREFIX}.meta").write_bytes(definition.SerializeToString(deterministic=True))
        write_extra_files(part, extra_files)
        info = GraphInfo(target, file_sizes(part), dict(saturated))
        check_budget(info, members, budget_bytes)
    return info
