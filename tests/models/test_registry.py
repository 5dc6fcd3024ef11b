import dataclasses

import pytest

from gapsack.models import registry
from gapsack.models.families.gated_netvlad.family import FAMILY
from gapsack.selection.errors import InputError

SMALL = {"clusters": 4, "hidden": 8, "classes": 6, "rgb": 10, "audio": 3}


def test_defaults_are_filled_in():
    complete = FAMILY.validate({"clusters": 4, "hidden": 8, "classes": 6})
    assert complete == {
        "clusters": 4,
        "hidden": 8,
        "classes": 6,
        "mixtures": 5,
        "rgb": 1024,
        "audio": 128,
        "dropout": 0.0,
    }


def test_all_problems_are_named_at_once():
    with pytest.raises(InputError) as caught:
        FAMILY.validate({"clusters": 1, "hidden": True, "mixtures": 2.5, "dropout": 1, "cluster": 3})
    message = str(caught.value)
    for part in (
        "'cluster' is not one of its hyperparameters",
        "clusters must be an integer of at least 2, got 1",
        "hidden must be an integer of at least 1, got True",
        "classes is missing",
        "mixtures must be an integer of at least 1, got 2.5",
        "dropout must be a number of at least 0 and below 1, got 1",
    ):
        assert part in message


def test_not_a_number_is_out_of_range():
    with pytest.raises(InputError, match="dropout must be"):
        FAMILY.validate({**SMALL, "dropout": float("nan")})


def test_build_refuses_what_validate_refuses():
    with pytest.raises(InputError, match="hidden is missing"):
        registry.build("gated_netvlad", clusters=4, classes=6)


def test_an_unknown_family_is_an_error_that_lists_the_known_ones():
    with pytest.raises(InputError, match=r"model families .*gated_netvlad.*, got 'netvlad'"):
        registry.family("netvlad")


def test_a_colliding_name_raises_and_leaves_the_first():
    with pytest.raises(InputError, match="gated_netvlad"):
        registry.register(dataclasses.replace(FAMILY, network=lambda *_: None))
    assert registry.family("gated_netvlad") is FAMILY
    assert registry.register(FAMILY) is FAMILY  # the same family again is no collision


def test_a_registered_family_builds(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    before = registry.families()
    twin = registry.register(dataclasses.replace(FAMILY, name="twin"))
    assert registry.families() == tuple(sorted((*before, "twin")))
    model = registry.build("twin", **SMALL)
    assert [tensor.name for tensor in model.tensors] == [tensor.name for tensor in twin.tensors(twin.validate(SMALL))]
