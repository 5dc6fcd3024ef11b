"""Making a candidate pool of predictions from elsewhere, or adding models to one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gapsack.selection.errors import PoolError
from gapsack.selection.gap import gap_of_lists
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.candidate import check_name
from gapsack.selection.pool.lists import Labels, Predictions
from gapsack.sweep.pools.files import has_output, predicted_classes, read_labels, read_predictions
from gapsack.sweep.pools.staging import staging
from gapsack.sweep.pools.typed_sizes import parse_size_bytes
from gapsack.sweep.storage.mirrored import fetched_from

PREDICTIONS = "predictions as name=file or name@precision=file"


def import_candidates(
    pool: Path,
    *,
    labels_file: Path | None,
    predictions: Sequence[str],
    sizes: Sequence[str],
    class_count: int | None,
    top_k: int,
    default_precision: str,
    shared: Sequence[str] = (),
    metrics: Sequence[str] = (),
    output: str | None = None,
) -> CandidatePool:
    """Read models' predictions and write them into a pool folder, which is made if it is missing: all, or nothing.

    Repeated, it changes nothing: labels and candidates that are there already may be given again.

    Args:
        pool: the folder.
        labels_file: ground truth; may be None where the pool has it already, and must be the same otherwise.
        predictions: `name=file` or `name@precision=file`.
        sizes: `name=size` or `name@precision=size`; every model needs one.
        class_count: classes of the vocabulary, where the labels do not tell.
        top_k: best classes kept of each item.
        default_precision: the precision of sizes that name none.
        shared: groups of tensors that models have in common, `name=group:size` or `name@precision=group:size`.
        metrics: further figures of models, `name:figure=number`, on which a search may have limits.
        output: which one is meant of models with several; the pool is of that alone.

    Returns:
        The whole pool, as written.

    Raises:
        PoolError: nothing to import, a model without predictions or size, a name that is taken by another candidate,
            files that do not fit.
    """
    labels_file = None if labels_file is None else fetched_from(labels_file)
    with staging(pool) as staged:
        if labels_file is None and staged.labels is None:
            raise PoolError(f"expected labels (--labels) for the new pool {pool}, got none")
        if not predictions:
            raise PoolError("expected at least one model's predictions (--predictions name=file), got none")
        if output is not None:
            check_output(output, labels_file, [fetched_from(split_named(text, PREDICTIONS)[2]) for text in predictions])
        if labels_file is not None:
            given = read_labels(
                labels_file,
                class_count=class_count,
                otherwise=lambda: _classes_of(predictions, output),
                output=output,
            )
            staged.check_labels(given, labels_file)
        labels = staged.labels
        assert labels is not None
        groups, figures = read_shared(shared, default_precision), read_figures(metrics)
        lists, by_name = _lists(labels, predictions, top_k, output), read_sizes(sizes, default_precision)
        if strangers := sorted(set(by_name) - set(lists)):
            raise PoolError(f"expected predictions for every model with a size, got none for {', '.join(strangers)}")
        for name, of_name in lists.items():
            candidate = _candidate(name, of_name, by_name.get(name, {}), labels, output)
            own = candidate.metrics | figures.pop(candidate.name, {})
            staged.add(replace(candidate, metrics=own, shared=groups.pop(candidate.name, {})))
        if groups:
            raise PoolError(f"expected predictions for every model that shares, got none for {', '.join(groups)}")
        if figures:
            raise PoolError(f"expected predictions for every model with a figure, got none for {', '.join(figures)}")
        return staged.write()


def check_output(output: str, labels_file: Path | None, files: Sequence[Path]) -> None:
    """A file of one output fits any name; so that a slip is told, one of the files must have it under that name.

    Raises:
        PoolError: none has; or one cannot be read, or is of other outputs.
    """
    if not any(has_output(file, output) for file in (*files, *([] if labels_file is None else [labels_file]))):
        raise PoolError(
            f"expected an output {output} (--output {output}) in one of {', '.join(map(str, files))}"
            + ("" if labels_file is None else f" and {labels_file}")
            + ", got none: they have scores of one output alone"
        )


def _classes_of(predictions: Sequence[str], output: str | None) -> int | None:
    """The number of classes, as the first model's predictions tell it."""
    files = (split_named(text, PREDICTIONS)[2] for text in predictions)
    return next((found for file in files if (found := predicted_classes(fetched_from(file), output)) is not None), None)


def _lists(
    labels: Labels, predictions: Sequence[str], top_k: int, output: str | None
) -> dict[str, dict[str | None, Predictions]]:
    """Predictions by name and precision, as options name them."""
    lists: dict[str, dict[str | None, Predictions]] = {}
    for text in predictions:
        name, precision, file = split_named(text, PREDICTIONS)
        own = lists.setdefault(name, {})
        if precision in own:
            raise PoolError(f"expected one file of predictions for {name}, got two")
        own[precision] = read_predictions(
            fetched_from(file), class_count=labels.class_count, top_k=top_k, output=output
        )
    return lists


def _candidate(
    name: str, lists: dict[str | None, Predictions], size_bytes: dict[str, int], labels: Labels, output: str | None
) -> Candidate:
    if not size_bytes:
        raise PoolError(f"expected the size of {name} (--size {name}=120MiB), got none")
    own = {precision: found for precision, found in lists.items() if precision is not None}
    # Without plain predictions, those of the first precision named stand for the precisions that have none.
    plain = lists.get(None, next(iter(lists.values())))
    aligned = plain.aligned_to(labels, name)
    return Candidate(
        name,
        size_bytes,
        plain,
        by_precision=own,
        metrics={"gap": gap_of_lists(aligned.top_indices, aligned.top_scores, labels)},
        origin={"kind": "import"} | ({} if output is None else {"output": output}),
    )


def split_named(text: str, expected: str) -> tuple[str, str | None, str]:
    """The parts of `name=value` or `name@precision=value`; the precision is None when not given.

    Raises:
        PoolError: there is no `=`, or an empty part, or the name cannot be a candidate's.
    """
    match = re.fullmatch(r"([^=@]+)(?:@([^=@]+))?=(.+)", text, re.DOTALL)
    if match is None:
        raise PoolError(f"expected {expected}, got {text[:200]!r}")
    check_name(match.group(1))
    return match.group(1), match.group(2), match.group(3)


def read_sizes(texts: Sequence[str], default_precision: str) -> dict[str, dict[str, int]]:
    """Sizes by name and precision, of options such as `a=120MiB` and `a@int8=31MiB`."""
    sizes: dict[str, dict[str, int]] = {}
    for text in texts:
        name, precision, value = split_named(text, "a size as name=120MiB or name@int8=31MiB")
        by_precision = sizes.setdefault(name, {})
        if (precision or default_precision) in by_precision:
            raise PoolError(f"expected one size for {name} in {precision or default_precision}, got two")
        by_precision[precision or default_precision] = parse_size_bytes(value)
    return sizes


def read_figures(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Figures by name, of options such as `a:latency_ms=12`."""
    found: dict[str, dict[str, float]] = {}
    for text in texts:
        match = re.fullmatch(r"([^:=]+):([^:=]+)=(.+)", text)
        try:
            value = float(match[3]) if match else math.nan
        except ValueError:
            value = math.nan
        if match is None or not math.isfinite(value):
            raise PoolError(f"expected a figure as name:figure=number, such as a:latency_ms=12, got {text[:200]!r}")
        check_name(match[1])
        own = found.setdefault(match[1], {})
        if match[2] == "gap" or match[2] in own:
            raise PoolError(
                f"expected one {match[2]} for {match[1]}, got "
                + ("one beside that of its predictions" if match[2] == "gap" else "two")
            )
        own[match[2]] = value
    return found


def read_shared(texts: Sequence[str], default_precision: str) -> dict[str, dict[str, dict[str, int]]]:
    """Shared groups by name, group and precision, of options such as `a=body:90MiB` and `a@int8=body:23MiB`."""
    expected = "shared tensors as name=group:90MiB or name@int8=group:23MiB"
    found: dict[str, dict[str, dict[str, int]]] = {}
    for text in texts:
        name, precision, value = split_named(text, expected)
        group, colon, size = value.partition(":")
        if not (group and colon):
            raise PoolError(f"expected {expected}, got {text[:200]!r}")
        sizes = found.setdefault(name, {}).setdefault(group, {})
        if (precision or default_precision) in sizes:
            raise PoolError(f"expected one size for {group} of {name} in {precision or default_precision}, got two")
        sizes[precision or default_precision] = parse_size_bytes(size)
    return found
