"""Parts that several families share: their hyperparameters, and the tensors that they store.

The layers that compute with these tensors are in `models.layers`; names are those of the YouTube-8M codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gapsack.models.hyperparameters import Choice, Flag, Hyperparameter, Number
from gapsack.models.tasks.task import View
from gapsack.models.tensors import Shapes, Tensor, activations_of, batch_norm

SCOPE = "tower"
"""The variable scope of the YouTube-8M codes."""

CLASSES = Number("classes", "V, classes to predict")
YOUTUBE8M_RGB = 1024
RGB = Number("rgb", "video features of a frame", default=YOUTUBE8M_RGB)
OPTIONAL_AUDIO = Number("audio", "audio features of a frame, 0 for none", minimum=0, default=128)

FRAMES = Choice(
    "frames",
    "that a model sees of a video: sampled ones, or all of the first ones, once each, with a mask",
    ("sampled", "all"),
    default="sampled",
)


def mixtures(default: int) -> Number:
    """Experts of each class, M."""
    return Number("mixtures", "M, experts of each class", default=default)


def probability_gating(default: bool) -> Flag:
    """Whether the classes' probabilities gate each other."""
    return Flag("probability_gating", "gate the probabilities of classes by each other", default=default)


def classifier(default: str) -> Choice:
    """What makes probabilities of the last representation; `classifier_options` follow from it."""
    return Choice("classifier", "of the representation: mixture of experts or logistic", ("moe", "logistic"), default)


def classifier_options(chosen: str, *, gating: bool = False) -> tuple[Hyperparameter, ...]:
    """Hyperparameters of a classifier by its name: a logistic one has none."""
    return (mixtures(2), probability_gating(gating)) if chosen == "moe" else ()


def frame_width(hyperparameters: Mapping[str, Any]) -> int:
    """Values of a frame, video and audio."""
    return int(hyperparameters["rgb"]) + int(hyperparameters["audio"])


def matrix(name: str, rows: int, columns: int, *, fan: float, group: str | None = None) -> Tensor:
    """A matrix [rows, columns] whose initial values are normal, 1 / sqrt(fan)."""
    return Tensor(name, (rows, columns), deviation=1 / math.sqrt(fan), group=group)


def glorot(name: str, rows: int, columns: int, *, group: str) -> Tensor:
    """A matrix of Glorot's deviation, with an L2 term in the training loss."""
    return Tensor(name, (rows, columns), deviation=math.sqrt(2 / (rows + columns)), group=group, decayed=True)


def context_gating(weights: str, norm_scope: str, width: int, *, group: str | None = None) -> tuple[Tensor, ...]:
    """A gating's square matrix and its batch norm."""
    return matrix(weights, width, width, fan=width, group=group), *batch_norm(norm_scope, width)


def logistic(scope: str, width: int, classes: int) -> tuple[Tensor, ...]:
    """A logistic classifier, one matrix and its biases; only the matrix has an L2 term."""
    return (
        glorot(f"{scope}/fully_connected/weights", width, classes, group="classifier"),
        Tensor(f"{scope}/fully_connected/biases", (classes,)),
    )


def mixture_of_experts(scope: str, width: int, classes: int, experts: int) -> tuple[Tensor, ...]:
    """Gates, experts and their biases; the two matrices have L2 terms."""
    return (
        glorot(f"{scope}/gates/weights", width, classes * (experts + 1), group="gates"),
        glorot(f"{scope}/experts/weights", width, classes * experts, group="experts"),
        Tensor(f"{scope}/experts/biases", (classes * experts,)),
    )


def classifier_tensors(hyperparameters: Mapping[str, Any], width: int, scope: str = SCOPE) -> tuple[Tensor, ...]:
    """The tensors of the classifier that (complete) hyperparameters choose, of a representation of `width` values.

    A family without the hyperparameter `classifier` has a mixture of experts.
    """
    classes = int(hyperparameters["classes"])
    if hyperparameters.get("classifier", "moe") == "logistic":
        return logistic(scope, width, classes)
    experts = mixture_of_experts(scope, width, classes, int(hyperparameters["mixtures"]))
    if not hyperparameters["probability_gating"]:
        return experts
    gating = context_gating(f"{scope}/gating_prob_weights", f"{scope}/gating_prob_bn", classes, group="gating_prob")
    return *experts, *gating


def present(shapes: Shapes, beginning: str) -> bool:
    """Whether a tensor's name begins so: a part is there even if one of its tensors is lost, which is then missed."""
    return any(name.startswith(beginning) for name in shapes)


def recognised_experts(shapes: Shapes, scope: str = SCOPE) -> dict[str, int]:
    """Classes and mixtures of a mixture of experts, which has one gate a class more than experts."""
    experts, gated = shapes[f"{scope}/experts/weights"][1], shapes.get(f"{scope}/gating_prob_weights")
    classes = gated[0] if gated else shapes[f"{scope}/gates/weights"][1] - experts
    return {"classes": classes, "mixtures": experts // classes}


def recognised_probability_gating(shapes: Shapes, scope: str = SCOPE) -> dict[str, bool]:
    """Whether probabilities are gated."""
    return {"probability_gating": present(shapes, f"{scope}/gating_prob_")}


def recognised_logistic(shapes: Shapes, scope: str = SCOPE) -> dict[str, int]:
    """Classes of a logistic classifier."""
    return {"classes": shapes[f"{scope}/fully_connected/weights"][1]}


def recognised_classifier(shapes: Shapes, scope: str = SCOPE) -> dict[str, Any]:
    """What chooses these tensors in `classifier_tensors`, by which of them are there."""
    if present(shapes, f"{scope}/fully_connected/"):
        return {"classifier": "logistic", **recognised_logistic(shapes, scope)}
    own = recognised_experts(shapes, scope) | recognised_probability_gating(shapes, scope)
    return {"classifier": "moe", **own}


def recognised_width(width: int) -> dict[str, int]:
    """Video and audio features of frames of so many values, of which a matrix tells the sum alone: YouTube-8M's."""
    rgb = min(width, YOUTUBE8M_RGB)
    return {"rgb": rgb, "audio": width - rgb}


def takes_all_frames(hyperparameters: Mapping[str, Any]) -> bool:
    """Whether a model takes each frame once, with a mask: `Family.whole_frames`."""
    return bool(hyperparameters["frames"] == "all")


def frame_activations(
    tensors: tuple[Tensor, ...], hyperparameters: Mapping[str, Any], view: View, framewise: tuple[str, ...]
) -> int:
    """Values that one example's layers give in training: frames, what becomes of each, and of the other matrices.

    Matrices whose names end with one of `framewise` multiply every frame.
    """
    frames, names = view.sample_frames, [tensor.name for tensor in tensors if tensor.name.endswith(framewise)]
    return frames * frame_width(hyperparameters) + activations_of(tensors, frames=frames, framewise=names)
