"""Families and hyperparameters by the names and shapes of tensors."""

from __future__ import annotations

from typing import Any

import pytest

from gapsack.models import recognition, registry, sizes
from gapsack.selection.errors import InputError

ALIKE = {"logistic", "frame_level_logistic"}
"""Families of the same tensors, of which the data tell which one it is."""
DATA: tuple[dict[str, Any], ...] = (
    {"classes": 30},
    {"classes": 7, "rgb": 1024, "audio": 0},
)
EXPERTS: tuple[dict[str, Any], ...] = (
    {"classifier": "logistic"},
    {"classifier": "moe", "mixtures": 3, "probability_gating": True},
    {"classifier": "moe", "mixtures": 1, "probability_gating": False},
)
STREAMS: tuple[dict[str, Any], ...] = tuple(
    {"hidden": 6, "relu": relu, "gating": gating, **classifier}
    for relu, gating, classifier in ((False, True, EXPERTS[0]), (True, False, EXPERTS[1]), (True, True, EXPERTS[2]))
)
NEXTVLAD = (
    {"clusters": 5, "hidden": 12, "groups": 2, "expansion": 3, "reduction": 4},
    {"clusters": 2, "hidden": 8, "groups": 16, "expansion": 1, "reduction": 1},
)
LAYERED = tuple({"cells": 5, "layers": layers, **own} for layers, own in ((1, EXPERTS[0]), (3, EXPERTS[1])))
SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "gated_netvlad": ({"clusters": 5, "hidden": 7, "mixtures": 1}, {"clusters": 2, "hidden": 3, "mixtures": 4}),
    "nextvlad": NEXTVLAD,
    "mix_nextvlad": tuple({**own, "branches": branches} for branches, own in enumerate(NEXTVLAD, 2)),
    "willow_netvlad": tuple({"clusters": 5, **own} for own in STREAMS),
    "netrvlad": tuple({"clusters": 2, **own} for own in STREAMS),
    "netfv": tuple({"clusters": 3, "coupled": coupled, **own} for coupled in (False, True) for own in STREAMS),
    "soft_dbof": tuple({"clusters": 9, "maximum": maximum, **own} for maximum in (False, True) for own in STREAMS),
    "gated_dbof": tuple({"clusters": 17, **own} for own in STREAMS),
    "dbof": ({"clusters": 9, "hidden": 4, "mixtures": 1}, {"clusters": 3, "hidden": 5, "mixtures": 3}),
    "lstm": LAYERED,
    "lstm_willow": LAYERED,
    "gru": LAYERED,
    "lstm_bidirect": tuple({"cells": cells, **own} for cells, own in ((5, EXPERTS[0]), (6, EXPERTS[1]))),
    "gru_bidirect": tuple({"cells": cells, **own} for cells, own in ((5, EXPERTS[0]), (6, EXPERTS[2]))),
    "moe": ({"mixtures": 2, "probability_gating": True}, {"mixtures": 3, "probability_gating": False}),
    "logistic": ({},),
    "frame_level_logistic": ({},),
}
"""Hyperparameters that tensors decide."""
UNDECIDED = {"frames", "dropout", "activation", "pooling", "unwhiten", "temperature", "distillation", "places"}


def shapes_of(family: str, hyperparameters: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """By name below the scope."""
    scope = registry.family(family).scope
    tensors = sizes.tensors(family, hyperparameters)
    return {tensor.name.removeprefix(f"{scope}/"): tensor.shape for tensor in tensors}


def families_of(name: str) -> list[str]:
    """What to ask for: the family itself where others have the same tensors."""
    return [name] if name in ALIKE else []


CASES = [
    pytest.param(family, {**own, **data}, id=f"{family}-{place}-{data.get('audio', 128)}")
    for family, settings in SETTINGS.items()
    for place, own in enumerate(settings)
    for data in DATA
    if not (family == "gated_netvlad" and "audio" in data)  # which needs some
]


def test_every_family_of_a_reference_implementation_is_asked_for() -> None:
    assert {family.name for family in recognition.recognisable()} == set(SETTINGS)
    assert set(registry.families()) - set(SETTINGS) == {"keras_model"}


@pytest.mark.parametrize(("family", "hyperparameters"), CASES)
def test_shapes_tell_the_family_and_its_hyperparameters(family: str, hyperparameters: dict[str, Any]) -> None:
    shapes = shapes_of(family, hyperparameters)
    model = recognition.recognise(shapes, where="here", families=families_of(family))
    assert model.family == family
    assert {name: model.decided[name] for name in hyperparameters} == hyperparameters
    assert model.hyperparameters == registry.family(family).validate(hyperparameters)
    assert set(model.assumed) <= UNDECIDED
    assert not set(model.decided) & UNDECIDED
    assert {f"tower/{name}": shape for name, shape in shapes.items()} == {t.name: t.shape for t in model.tensors}


@pytest.mark.parametrize(("family", "hyperparameters"), CASES)
def test_a_model_that_lacks_a_tensor_or_has_one_more_is_of_no_family(
    family: str, hyperparameters: dict[str, Any]
) -> None:
    """Not of another one either whose tensors are among these."""
    shapes = shapes_of(family, hyperparameters)
    name = sorted(shapes)[len(shapes) // 2]
    lacking = {other: shape for other, shape in shapes.items() if other != name}
    for changed in (lacking, {**shapes, "hidden9_weights": (3, 4)}, {**shapes, name: (*shapes[name], 2)}):
        with pytest.raises(InputError, match="expected the tensors of a model family in here"):
            recognition.recognise(changed, where="here")


@pytest.mark.parametrize("family", SETTINGS)
def test_a_lost_tensor_is_named_with_the_family_that_misses_it(family: str) -> None:
    shapes = shapes_of(family, {**SETTINGS[family][0], **DATA[0]})
    for name in shapes:
        lacking = {other: shape for other, shape in shapes.items() if other != name}
        with pytest.raises(InputError) as refused:
            recognition.recognise(lacking, where="here", families=[family])
        assert f"closest is {family}" in str(refused.value)
        assert f"tower/{name} is missing" in str(refused.value)


def test_what_an_optimizer_and_averages_keep_is_no_tensor_of_the_model() -> None:
    shapes = shapes_of("dbof", {"clusters": 3, "hidden": 4, **DATA[0]})
    more = {f"{name}/{slot}": shape for name, shape in shapes.items() for slot in ("Adam", "ExponentialMovingAverage")}
    debiased = {"input_bn/moving_mean/local_step": (), "input_bn/moving_mean/biased": (1152,)}
    steps = {"global_step": (), "beta1_power": ()}
    assert recognition.recognise({**shapes, **more, **debiased, **steps}, where="here").family == "dbof"


def test_a_family_that_is_named_leaves_other_variables_aside() -> None:
    shapes = {**shapes_of("dbof", {"clusters": 3, "hidden": 4, **DATA[0]}), "attention": (3, 4)}
    with pytest.raises(InputError, match=r"tower/attention \(3, 4\) is not among its tensors \(--family dbof leaves"):
        recognition.recognise(shapes, where="here")
    assert recognition.recognise(shapes, where="here", families=["dbof", "lstm", "dbof"]).family == "dbof"
    with pytest.raises(InputError, match="closest is soft_dbof"):
        recognition.recognise(shapes, where="here", families=["soft_dbof"])


def test_families_of_the_same_tensors_are_both_named() -> None:
    shapes = shapes_of("logistic", {"classes": 30})
    with pytest.raises(InputError, match=r"that frame_level_logistic, logistic have alike \(--family"):
        recognition.recognise(shapes, where="here")


def test_what_is_of_no_family_is_told_by_what_it_has() -> None:
    with pytest.raises(InputError, match=r"a model family \(dbof, .*, willow_netvlad\) in here, got a, b"):
        recognition.recognise({"b": (1,), "a": (2, 2)}, where="here")
    with pytest.raises(InputError, match=r"expected families .*willow_netvlad\), got keras_model"):
        recognition.recognisable(["keras_model"])


def test_tensors_of_other_shapes_are_named() -> None:
    shapes = shapes_of("gated_netvlad", {"clusters": 8, "hidden": 16, "classes": 30})
    with pytest.raises(InputError, match=r"tower/gates/weights has shape \(32, 181\), not \(32, 180\)"):
        recognition.recognise({**shapes, "gates/weights": (32, 181)}, where="here")
    for name in ("hidden2_biases", "gating_prob_weights"):
        lacking = {other: shape for other, shape in shapes.items() if other != name}
        with pytest.raises(InputError, match=f"closest is gated_netvlad with .*, but tower/{name} is missing"):
            recognition.recognise(lacking, where="here")
    with pytest.raises(InputError, match="closest is gated_netvlad, but its tensors have other shapes"):
        recognition.recognise({**shapes, "video_VLAD/conv2/cluster_weights": (8,)}, where="here")


class TestOptions:
    def model(self, family: str = "dbof", **hyperparameters: Any) -> recognition.RecognisedModel:
        own = hyperparameters or {"clusters": 3, "hidden": 4, **DATA[0]}
        return recognition.recognise(shapes_of(family, own), where="here")

    def test_what_shapes_do_not_tell_is_given(self) -> None:
        model = self.model()
        assert model.assumed == {"activation": "relu6", "pooling": "max"}
        given = recognition.with_options(model, {"pooling": "average"}, where="here")
        assert given.hyperparameters == {**model.hyperparameters, "pooling": "average"}
        assert given.assumed == {"activation": "relu6"}

    def test_video_and_audio_may_have_other_shares_of_a_frame(self) -> None:
        given = recognition.with_options(self.model(), {"rgb": 1152, "audio": 0}, where="here")
        assert (given.decided["rgb"], given.decided["audio"]) == (1152, 0)

    def test_options_of_other_families_change_nothing(self) -> None:
        model = self.model()
        assert recognition.with_options(model, {"frames": "all"}, where="here") == model

    def test_options_that_the_tensors_contradict_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"options that here can have, got clusters 4: .*has shape"):
            recognition.with_options(self.model(), {"clusters": 4}, where="here")
        model = self.model("lstm", cells=3, classes=9, classifier="moe")
        with pytest.raises(InputError, match=r"options that here can have, got classifier logistic"):
            recognition.with_options(model, {"classifier": "logistic"}, where="here")

    def test_values_out_of_range_are_refused(self) -> None:
        with pytest.raises(InputError, match="model family dbof: pooling must be one of max, average, got 'sum'"):
            recognition.with_options(self.model(), {"pooling": "sum"}, where="here")


def test_features_that_are_not_youtube8ms_are_not_taken_for_whitened_ones() -> None:
    own = {**NEXTVLAD[0], "classes": 9, "rgb": 8, "audio": 4, "unwhiten": False}
    assert recognition.recognise(shapes_of("nextvlad", own), where="here").decided["unwhiten"] is False
