"""Whole models from elsewhere as candidates: the authors' checkpoints, and SavedModels.

Each is run on labelled data files as the one graph would run it, so that it comes with its predictions in every
precision and with all that `select build` needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gapsack.models import sizes
from gapsack.models.authors import AuthorsModel, read_authors_checkpoint
from gapsack.models.graph import AnyMember, Member, SavedModelMember
from gapsack.models.graph.foreign.saved_model import open_saved_model
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.decimals import score_text
from gapsack.selection.errors import InputError, PoolError
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.origin import Buildable, CheckpointOrigin, SavedModelOrigin
from gapsack.selection.units import mib
from gapsack.sweep.measure.graphs import DataSet
from gapsack.sweep.measure.holdout import Measured
from gapsack.sweep.pools.predictions import split_named
from gapsack.sweep.pools.staging import WEIGHTS_FOLDER, Staged, staging
from gapsack.sweep.pools.typed_sizes import path_bytes
from gapsack.sweep.storage.addresses import address_of
from gapsack.sweep.storage.mirrored import bring, fetched_from, place_of, way_to

EXACT = "float32"

Say = Callable[[str], object]
Advance = Callable[[int], object]


def read_options(texts: Sequence[str]) -> dict[str, Any]:
    """Hyperparameters of options such as `pooling=average`, `unwhiten=false` and `places=300`.

    Raises:
        PoolError: One is not of that form, or comes twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, parted, value = text.partition("=")
        if not (name and parted and value):
            raise PoolError(f"expected a hyperparameter as name=value, got {text[:200]!r}")
        if name in found:
            raise PoolError(f"expected one value of {name} (--option), got two")
        try:
            found[name] = json.loads(value)
        except ValueError:  # a word
            found[name] = value
    return found


@dataclass(frozen=True)
class ModelImport:
    """Models to import, and how they are run.

    Attributes:
        pool: The pool's folder.
        files: Labelled data files, of the pool's items if it has any.
        level: Of the data.
        checkpoints: `name=prefix` of the authors' checkpoints.
        saved_models: `name=folder` or `name@precision=folder` of SavedModels.
        raw_weights: Take a checkpoint's variables, even where it has their moving averages.
        families: Names of the families that checkpoints' models may belong to; any if empty.
        options: Hyperparameters of checkpoints' models that their tensors' shapes do not decide.
        stored: Precisions in which checkpoints become available beside float32.
        default_precision: What SavedModels that name none are said to be stored in.
        sample_frames: Frames that a model of sampled frames sees of each video.
        max_frames: Frames used of a video at most.
        rgb, audio: Values a frame, for SavedModels.
        classes: Their classes, where neither the signature nor the pool tells.
        batch_size, max_bad_share, top_k: See `DataSet`.
        output: Which output of SavedModels is meant; None for the only one, or the one called probabilities.
    """

    pool: Path
    files: tuple[str, ...]
    level: Literal["frame", "video"]
    checkpoints: Sequence[str]
    saved_models: Sequence[str]
    raw_weights: bool
    families: Sequence[str]
    options: Mapping[str, Any]
    stored: Sequence[str]
    default_precision: str
    sample_frames: int
    max_frames: int
    rgb: int
    audio: int
    classes: int | None
    batch_size: int
    max_bad_share: float
    top_k: int
    output: str | None = None

    def run(self, say: Say, advance: Advance) -> CandidatePool:
        """Import all of them, or nothing: an old pool is not spoilt, and a new one is whole.

        Args:
            say: Gets a sentence about each model as it is read, and each score as it is known.
            advance: Gets the items of each batch.

        Returns:
            The whole pool, as written.

        Raises:
            InputError: A checkpoint or SavedModel that is not what is expected, data that does not fit it.
            PoolError: A name that is taken, or files of other items than the pool's.
        """
        with staging(self.pool) as staged:
            work = _Work(self, staged, say, advance)
            for text in self.checkpoints:
                work.checkpoints(text)
            for name, folders in self._folders().items():
                work.saved_model(name, folders)
            return staged.write()

    def _folders(self) -> dict[str, dict[str, Path]]:
        """The SavedModels' folders by name and precision."""
        by_name: dict[str, dict[str, Path]] = {}
        for text in self.saved_models:
            name, given, path = split_named(text, "a SavedModel as name=folder or name@precision=folder")
            precision, folders = given or self.default_precision, by_name.setdefault(name, {})
            if precision in folders:
                raise PoolError(f"expected one SavedModel for {name} in {precision}, got two")
            folders[precision] = fetched_from(path)
        return by_name

    def task(self, classes: int, rgb: int, audio: int) -> YouTube8M:
        """The task of a model of these features and classes."""
        return YouTube8M(self.level, classes, rgb, audio, self.max_frames)

    @property
    def sampled(self) -> int:
        """Frames that a model of sampled frames sees: one at video level."""
        return self.sample_frames if self.level == "frame" else 1

    def data(self, task: YouTube8M) -> DataSet:
        """The files, as a model of the task reads them."""
        return DataSet(self.files, task, self.batch_size, self.max_bad_share, self.top_k)


@dataclass(frozen=True)
class _Work:
    """One import under way."""

    options: ModelImport
    staged: Staged
    say: Say
    advance: Advance

    def checkpoints(self, text: str) -> None:
        """Stage every model of a checkpoint given as `name=prefix`: name, name-1, …"""
        name, precision, path = split_named(text, "a checkpoint as name=prefix")
        if precision is not None:
            raise PoolError(f"expected a checkpoint as name=prefix (--store names precisions), got {text!r}")
        prefix = _checkpoint_at(path)
        models = read_authors_checkpoint(
            prefix, raw=self.options.raw_weights, families=self.options.families, options=self.options.options
        )
        for place, model in enumerate(models):
            own = name if place == 0 else f"{name}-{place}"
            self.staged.check_name(own)
            self.say(f"{own}: {model.scope} of {path}, a {model.family} with {_told(model.hyperparameters)}")
            if model.assumed:
                self.say(f"{own}: {_told(model.assumed)} are assumed, which shapes do not tell (--option NAME=VALUE)")
            if model.averaged:
                self.say(
                    f"{own}: {model.averaged} of {len(model.weights)} tensors are the checkpoint's moving averages "
                    "(--raw-weights takes the variables themselves)"
                )
            if model.left_aside:
                self.say(f"{own}: left aside: {model.left_aside}")
            self._checkpoint(own, model, prefix)

    def _checkpoint(self, name: str, model: AuthorsModel, path: Path) -> None:
        family, hyperparameters = model.family, model.hyperparameters
        task = self.options.task(*(hyperparameters[key] for key in ("classes", "rgb", "audio")))
        weights = self.staged.weights(name, model.weights)
        measured = {}
        for precision in dict.fromkeys((EXACT, *self.options.stored)):
            member = Member(name, family, hyperparameters, precision, 1.0, weights, self.options.sampled)
            measured[precision] = self._measure(member, task)
        size_bytes = {precision: sizes.size_bytes(family, hyperparameters, precision) for precision in measured}
        origin = CheckpointOrigin(
            checkpoint=address_of(path.absolute()),
            scope=model.scope,
            family=family,
            weights=f"{WEIGHTS_FOLDER}/{weights.name}",
            sample_frames=self.options.sampled,
            task=task.to_dict(),
            averaged=model.averaged > 0,
        )
        self._stage(name, size_bytes, measured, origin, hyperparameters)

    def saved_model(self, name: str, folders: dict[str, Path]) -> None:
        """Stage a SavedModel, in one folder a precision."""
        self.staged.check_name(name)
        measured, known = {}, self.staged.labels
        classes = self.options.classes if known is None else known.class_count
        for precision, folder in folders.items():
            opened = open_saved_model(folder, self.options.output)
            classes = classes or opened.classes
            if classes is None:
                raise InputError(f"expected the classes of {folder} from its signature or --classes, got neither")
            task = self.options.task(classes, self.options.rgb, self.options.audio)
            self.say(f"{name}: the SavedModel {folder}, {mib(path_bytes(folder)):.2f} MiB")
            member = SavedModelMember(name, folder, precision, 1.0, self.options.sampled, output=self.options.output)
            measured[precision] = self._measure(member, task)
        size_bytes = {precision: path_bytes(folder) for precision, folder in folders.items()}
        real = {precision: folder.parent.resolve() / folder.name for precision, folder in folders.items()}
        places = {precision: way_to(folder, self.staged.pool) for precision, folder in real.items()}
        sampled, description = self.options.sampled, task.to_dict()
        origin = SavedModelOrigin(
            saved_models=places, sample_frames=sampled, task=description, output=self.options.output
        )
        self._stage(name, size_bytes, measured, origin, {})

    def _measure(self, member: AnyMember, task: YouTube8M) -> Measured:
        measured = self.options.data(task).measure(member, self.staged.scratch, self.advance)
        videos = measured.labels.video_count
        self.say(f"{member.name} in {member.precision}: GAP {score_text(measured.gap)} on {videos:,} items")
        return measured

    def _stage(
        self,
        name: str,
        size_bytes: dict[str, int],
        measured: dict[str, Measured],
        origin: Buildable,
        hyperparameters: Mapping[str, Any],
    ) -> None:
        """The first precision's predictions are the plain ones."""
        first, *others = measured
        gaps = {precision: own.gap for precision, own in measured.items()}
        candidate = Candidate(
            name,
            size_bytes,
            measured[first].predictions,
            by_precision={precision: measured[precision].predictions for precision in others},
            metrics={"gap": gaps[first], "gap_by_precision": gaps},
            hyperparameters=dict(hyperparameters),
            origin=origin.to_dict(),
        )
        self.staged.add(candidate, measured[first].labels)


def _checkpoint_at(given: str) -> Path:
    """A checkpoint's prefix, or its folder; of a URL, whose files are fetched."""
    place = place_of(given)
    bring(place.parent, lambda name: name.startswith((place.name, "checkpoint")))
    return place


def _told(hyperparameters: Mapping[str, Any]) -> str:
    """In words, as they are given."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in hyperparameters.items()
    )
