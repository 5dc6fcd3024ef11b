"""Families that pool the frames of each stream, after WILLOW's models: `layers.streams.StreamPooling`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gapsack.models.blocks import common, streams
from gapsack.models.blocks.streams import PooledStream
from gapsack.models.family import Family
from gapsack.models.hyperparameters import Hyperparameter, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor

if TYPE_CHECKING:
    from gapsack.models.layers.streams import MakePooling

Hyperparameters = Mapping[str, Any]


@dataclass(frozen=True)
class StreamKind:
    """What is a family's own.

    Attributes:
        name: Of the family.
        part: What the scopes of the streams end with: `video_VLAD` and `audio_VLAD` have "VLAD".
        clusters: The hyperparameter of that name.
        letter: Its letter in names of trials.
        audio_share: Clusters of video for each one of audio.
        gated: Whether the hidden layer and the probabilities are gated by default.
        pooled_width: (hyperparameters, stream) -> values that the stream's pooling gives.
        pooling: (hyperparameters, stream) -> what makes the pooling's layer. Imports Keras inside.
        further: (hyperparameters, stream) -> the pooling's tensors after those of the assignment.
        own: Further hyperparameters.
        recognise_own: (shapes, what all such families have) -> those that shapes decide.
    """

    name: str
    part: str
    clusters: Number
    letter: str
    audio_share: int
    gated: bool
    pooled_width: Callable[[Hyperparameters, PooledStream], int]
    pooling: Callable[[Hyperparameters, PooledStream], MakePooling]
    further: Callable[[Hyperparameters, PooledStream], list[Tensor]] = lambda _hyperparameters, _stream: []
    own: tuple[Hyperparameter, ...] = ()
    recognise_own: Callable[[Shapes, dict[str, Any]], dict[str, Any]] = lambda _shapes, _found: {}

    @property
    def family(self) -> Family:
        """The family."""
        return Family(
            name=self.name,
            tasks=("youtube8m",),
            hyperparameters=(
                self.clusters,
                Number("hidden", "H, width of the hidden layer"),
                *self.own,
                common.CLASSES,
                common.RGB,
                common.OPTIONAL_AUDIO,
                common.FRAMES,
                streams.RELU,
                streams.gating(self.gated),
                common.classifier("moe"),
            ),
            more=self._more,
            tensors=self._tensors,
            network=self._network,
            short_names={"clusters": self.letter, "hidden": "H"},
            scope=common.SCOPE,
            whole_frames=common.takes_all_frames,
            activations=self._activations,
            recognise=self._recognise,
        )

    @property
    def _scopes(self) -> tuple[str, str]:
        return f"{common.SCOPE}/video_{self.part}", f"{common.SCOPE}/audio_{self.part}"

    def _streams(self, hyperparameters: Hyperparameters) -> list[PooledStream]:
        return streams.of(hyperparameters, self._scopes, audio_share=self.audio_share)

    def _tensors(self, hyperparameters: Hyperparameters) -> tuple[Tensor, ...]:
        poolings: list[Tensor] = []
        width = 0
        for stream in self._streams(hyperparameters):
            poolings += [*streams.assignment(stream), *self.further(hyperparameters, stream)]
            width += self.pooled_width(hyperparameters, stream)
        return streams.stream_network(hyperparameters, tuple(poolings), width)

    def _network(self, table: tuple[Tensor, ...], hyperparameters: Hyperparameters, seed: int) -> Any:
        from gapsack.models.layers.streams import StreamPooling

        poolings = {stream.scope: self.pooling(hyperparameters, stream) for stream in self._streams(hyperparameters)}
        return StreamPooling(table, hyperparameters, seed, poolings)

    def _activations(self, hyperparameters: Hyperparameters, view: View) -> int:
        tensors = self._tensors(hyperparameters)
        return common.frame_activations(tensors, hyperparameters, view, ("/cluster_weights",))

    def _more(self, hyperparameters: Hyperparameters) -> tuple[Hyperparameter, ...]:
        return common.classifier_options(hyperparameters.get("classifier", "moe"), gating=self.gated)

    def _recognise(self, shapes: Shapes) -> dict[str, Any]:
        found = streams.recognised(shapes, self._scopes)
        return {**found, **self.recognise_own(shapes, found)}
