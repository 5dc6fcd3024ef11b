"""Made-up videos with a structure that larger gated NetVLADs learn better.

A frame shows an object in a scene: the sum of two fixed random vectors, plus noise. A class is a pair of one object and
one scene (any of two such pairs). The same objects and scenes occur in many pairs, so the mean of a video's frames,
which is all that few clusters see, tells which objects and which scenes there are, but not which object was in which
scene. Clusters that tell scenes apart keep the pairs apart; a wider bottleneck keeps more classes apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCENES = 8
MODES = 2  # pairs of each class; every fifth pair shows nothing that has a class
ZIPF_EXPONENT = 0.7
MEAN_EXTRA_LABELS = 2.0  # beside the one that every video has: about 3 in all
STRAY_PAIRS = 1  # pairs in every video that show no class
OBJECT_SCALE, NOISE_SCALE = 0.7, 0.45  # relative to the scene's
SPREAD = 0.6  # standard deviation of a value after dequantizing, whose range is -2 … 2


@dataclass(frozen=True)
class Video:
    """`labels`: classes, ascending; `frames` uint8 [frames, width]."""

    labels: list[int]
    frames: NDArray[np.uint8]


class World:
    """Scenes, objects and classes, drawn once by `seed`; `width` values a frame."""

    def __init__(self, classes: int, width: int, seed: int) -> None:
        rng = np.random.default_rng((seed, 0))
        objects = -(-classes * MODES * 5 // (4 * SCENES))  # rounded up
        self._scenes = rng.standard_normal((SCENES, width), np.float32)
        self._objects = OBJECT_SCALE * rng.standard_normal((objects, width), np.float32)
        pairs = rng.permutation(SCENES * objects)
        self._class_pairs = pairs[: classes * MODES].reshape(classes, MODES)
        self._stray_pairs = pairs[classes * MODES :]
        prior = np.arange(1, classes + 1) ** -ZIPF_EXPONENT
        self._prior = prior / prior.sum()

    def video(self, num_frames: int, rng: np.random.Generator) -> Video:
        """A video of a few classes, each shown in a random share of the frames."""
        classes = len(self._prior)
        labels = rng.choice(classes, min(1 + rng.poisson(MEAN_EXTRA_LABELS), classes), replace=False, p=self._prior)
        pairs = np.concatenate(
            [
                self._class_pairs[labels, rng.integers(MODES, size=len(labels))],
                rng.choice(self._stray_pairs, STRAY_PAIRS),
            ]
        )
        shares = rng.dirichlet(np.full(len(pairs), 3.0))
        shown = rng.choice(pairs, num_frames, p=shares)
        shown[: len(pairs)] = pairs[:num_frames]  # every label is seen, so far as the frames go
        return Video(sorted(labels.tolist()), self._frames(shown, rng))

    def _frames(self, pairs: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
        values = NOISE_SCALE * rng.standard_normal((len(pairs), self._scenes.shape[1]), np.float32)
        scene, thing = np.divmod(pairs, len(self._objects))
        values += self._scenes[scene] + self._objects[thing]
        values *= SPREAD / (1 + OBJECT_SCALE**2 + NOISE_SCALE**2) ** 0.5
        # The inverse of the field's dequantizing: x = q * 4/255 + 4/512 - 2.
        return np.clip(np.rint((values + 2 - 4 / 512) * 255 / 4), 0, 255).astype(np.uint8)
