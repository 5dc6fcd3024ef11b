"""Parts of a pool's models as candidates of their own, such as the branches of a mixture.

A branch is a whole model of another family, with its own exact sizes and its own predictions: an ensemble may take the
best of them without the bytes of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapsack.models import registry, sizes
from gapsack.models.checkpoints import read_weights
from gapsack.models.family import ModelPart
from gapsack.models.graph import Member
from gapsack.models.tasks import task_from_dict
from gapsack.selection.decimals import score_text
from gapsack.selection.errors import InputError, PoolError
from gapsack.selection.pool import Candidate, CandidatePool
from gapsack.selection.pool.origin import WeightsOrigin, read_origin
from gapsack.sweep.measure.graphs import DataSet
from gapsack.sweep.measure.holdout import Measured
from gapsack.sweep.pools.staging import WEIGHTS_FOLDER, Staged, staging
from gapsack.sweep.storage.mirrored import at_way, fetched

EXACT = "float32"
KIND = "branch"


@dataclass(frozen=True)
class BranchImport:
    """Whose parts become candidates, and how they are measured.

    Attributes:
        pool: The pool's folder, which has the models.
        names: Of candidates; all that have parts if empty.
        files: Labelled data files of the pool's items.
        stored: Precisions beside float32; those of the whole model that its parts can be stored in if empty.
        batch_size, max_bad_share, top_k: See `DataSet`.
    """

    pool: Path
    names: Sequence[str]
    files: tuple[str, ...]
    stored: Sequence[str] = ()
    batch_size: int = 64
    max_bad_share: float = 0.001
    top_k: int = 100

    def run(self, say: Callable[[str], object], advance: Callable[[int], object]) -> CandidatePool:
        """Add them, all or nothing; the whole pool, as written. The same call can be repeated.

        Args:
            say: Gets a sentence about each part and precision.
            advance: Gets the items of each batch.

        Raises:
            InputError: A candidate is not there, has no weights or no parts, or the files are of other items.
        """
        known = CandidatePool.read(self.pool)
        chosen = [known[name] for name in self.names] if self.names else list(known.candidates)
        wholes = [(candidate, self._parts(candidate)) for candidate in chosen]
        wholes = [(candidate, parts) for candidate, parts in wholes if parts or self.names]
        if not wholes:
            raise PoolError(f"expected a candidate that is made of others in {self.pool}, such as a mix_nextvlad")
        with staging(self.pool) as staged:
            for candidate, parts in wholes:
                if not parts:
                    raise PoolError(f"expected a candidate that is made of others, got {candidate.name}")
                origin = self._origin(candidate)
                assert isinstance(origin, WeightsOrigin)
                weights = read_weights(fetched(at_way(self.pool, origin.weights)))
                for part in parts:
                    own = {
                        tensor.name: weights[name]
                        for tensor, name in zip(
                            sizes.tensors(part.family, part.hyperparameters), part.tensors, strict=True
                        )
                    }
                    _Adding(self, staged, candidate, origin, part, say, advance).add(own)
            return staged.write()

    def _origin(self, candidate: Candidate) -> Any:
        return read_origin(candidate.origin, candidate.hyperparameters, self.pool / f"{candidate.name}.json")

    def _parts(self, candidate: Candidate) -> tuple[ModelPart, ...]:
        origin = self._origin(candidate)
        if not isinstance(origin, WeightsOrigin):
            return ()
        family = registry.family(origin.family)
        return () if family.parts is None else family.parts(family.validate(candidate.hyperparameters))


@dataclass(frozen=True)
class _Adding:
    """One part on its way into the pool."""

    wanted: BranchImport
    staged: Staged
    whole: Candidate
    origin: WeightsOrigin
    part: ModelPart
    say: Callable[[str], object]
    advance: Callable[[int], object]

    def add(self, weights: dict[str, Any]) -> None:
        """Measure the part in each precision, and stage it."""
        name = f"{self.whole.name}-{self.part.name}"
        path = self.staged.weights(name, weights)
        measured = {
            precision: self._measure(Member(
                name, self.part.family, self.part.hyperparameters, precision, 1.0, path, self.origin.sample_frames
            ))
            for precision in self._precisions()
        }  # fmt: skip
        first, *others = measured
        gaps = {precision: each.gap for precision, each in measured.items()}
        origin = WeightsOrigin.model_validate(
            {
                "kind": KIND,
                "family": self.part.family,
                "weights": f"{WEIGHTS_FOLDER}/{path.name}",
                "sample_frames": self.origin.sample_frames,
                "task": self.origin.task,
                "of": self.whole.name,
            }
        )
        candidate = Candidate(
            name,
            {precision: self._size_bytes(precision) for precision in measured},
            measured[first].predictions,
            by_precision={precision: measured[precision].predictions for precision in others},
            metrics={"gap": gaps[first], "gap_by_precision": gaps},
            hyperparameters=self.part.hyperparameters,
            origin=origin.to_dict(),
        )
        self.staged.add(candidate, measured[first].labels)

    def _precisions(self) -> list[str]:
        found = [EXACT]
        for precision in self.wanted.stored or self.whole.size_bytes:
            try:
                self._size_bytes(precision)
            except InputError as error:  # letters of a mixed one, for other groups of tensors
                if self.wanted.stored:
                    raise
                self.say(f"{self.whole.name}-{self.part.name}: not in {precision}: {error}")
                continue
            found += [precision] if precision != EXACT else []
        return found

    def _size_bytes(self, precision: str) -> int:
        return sizes.size_bytes(self.part.family, self.part.hyperparameters, precision)

    def _measure(self, member: Member) -> Measured:
        wanted = self.wanted
        data = DataSet(
            wanted.files, task_from_dict(self.origin.task), wanted.batch_size, wanted.max_bad_share, wanted.top_k
        )
        measured = data.measure(member, self.staged.scratch, self.advance)
        videos = measured.labels.video_count
        self.say(f"{member.name} in {member.precision}: GAP {score_text(measured.gap)} on {videos:,} items")
        return measured
