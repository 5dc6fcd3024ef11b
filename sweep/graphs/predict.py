"""The challenge's prediction CSV of the one graph, written as the videos stream by."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.files import whole_text_file
from gapsack.sweep.data.dataset import Examples
from gapsack.sweep.errors import DataError
from gapsack.sweep.measure.labelled_lists import predicted

if TYPE_CHECKING:
    from gapsack.models.graph import Predictor

CSV_COLUMNS = ("VideoId", "LabelConfidencePairs")


def write_predictions(
    graph: Predictor, batches: Iterable[Examples], path: Path, advance: Callable[[int], object]
) -> int:
    """Write the challenge's CSV (`VideoId,LabelConfidencePairs`, 20 pairs a video), whole or not at all.

    Returns:
        The number of videos.

    Raises:
        DataError: a video comes twice; a pool, and the challenge, take each once.
    """
    seen: set[str] = set()
    with whole_text_file(path) as file, closing(predicted(graph, batches, advance)) as answers:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for batch, output in answers:
            for video_id in batch.video_ids.tolist():
                if video_id in seen:
                    raise DataError(
                        f"expected every video once in the files to predict, got {video_id!r} twice: nothing is written"
                    )
                seen.add(video_id)
            writer.writerows(_rows(batch.video_ids, output.top_indices, output.top_scores))
    return len(seen)


def _rows(
    video_ids: NDArray[np.str_], indices: NDArray[np.int32], scores: NDArray[np.float32]
) -> Iterator[tuple[str, str]]:
    for video_id, row_indices, row_scores in zip(video_ids, indices, scores, strict=True):
        pairs = zip(row_indices.tolist(), row_scores.tolist(), strict=True)
        yield str(video_id), " ".join(f"{index} {score:.6g}" for index, score in pairs)
