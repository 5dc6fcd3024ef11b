from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gapsack.models import registry
from gapsack.models.families.keras_model.builder import load, located
from gapsack.models.hyperparameters import Flag, Number, Text
from gapsack.selection.errors import InputError

HERE = Path(__file__).parent
BUILDER = "def build(inputs, classes, hidden=3):\n    return hidden\n"


def test_keyword_parameters_become_hyperparameters_of_their_kind() -> None:
    found = load(f"{HERE / 'builders.py'}:dense").options(())

    assert [(type(parameter), parameter.name, parameter.default) for parameter in found] == [
        (Number, "hidden", 64),
        (Number, "rate", 0.1),
        (Flag, "norm", True),
        (Text, "act", "relu"),
    ]
    assert [parameter.integer for parameter in found] == [True, False, False, False]
    assert found[0].problem("x") == "hidden must be an integer, got 'x'"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("unknown_default", r"for the parameter sizes of .*, got \(1, 2\)"),
        ("wrong_parameters", r"expected the parameters inputs, classes, … of .*, got \(task\)"),
        ("taken_parameter", "expected other names for the parameters frames"),
        ("missing", "expected a function missing in"),
    ],
)
def test_a_function_that_is_no_builder_is_told(
    options: Callable[..., dict[str, Any]], function: str, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        options(function)


@pytest.mark.parametrize("name", ["build", ":build", "file.py:", "no_such_file.py:build", "no_such_module:build"])
def test_a_name_that_leads_nowhere_is_told(name: str) -> None:
    with pytest.raises(InputError, match="expected"):
        load(name)


def test_a_file_that_cannot_be_imported_is_told_and_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("import nothing_of_this_name\n")
    with pytest.raises(InputError, match="nothing_of_this_name"):
        load(f"{file}:build")

    file.write_text(BUILDER)
    assert load(f"{file}:build")({}, 1, {"hidden": 4}) == 4


def test_two_files_of_one_name_are_two_modules_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    files = [tmp_path / folder / "model.py" for folder in ("a", "b")]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(BUILDER.replace("hidden\n", f"{number}\n"))

    loaded = [load(f"{file}:build") for file in files]
    assert [builder({}, 1, {}) for builder in loaded] == [0, 1]

    files[0].write_text(BUILDER.replace("hidden\n", "7\n"))
    changed = load(f"{files[0]}:build")
    assert changed({}, 1, {}) == 7
    assert changed.sha256 != loaded[0].sha256


def test_a_builder_imports_its_neighbours_even_when_called(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_a_builder.py").write_text("VALUE = 5\n")
    (tmp_path / "model.py").write_text(
        "def build(inputs, classes):\n    import neighbour_of_a_builder\n    return neighbour_of_a_builder.VALUE\n"
    )
    before = list(sys.path)

    assert load(f"{tmp_path / 'model.py'}:build")({}, 1, {}) == 5
    assert sys.path == before


def test_places_become_absolute_from_the_first_folder_that_has_them(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    package = second / "builders_of_a_test"
    package.mkdir(parents=True)
    first.mkdir()
    (second / "model.py").write_text(BUILDER)
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(BUILDER)
    folders = (first, second)

    assert located("model.py:build", folders) == f"{second}/model.py:build"
    assert located("model:build", folders) == f"{second}/model.py:build"
    dotted = located("builders_of_a_test.inner:build", folders)
    assert dotted == f"{second}:builders_of_a_test.inner:build"
    assert load(dotted)({}, 1, {"hidden": 2}) == 2
    assert located("json:loads", folders) == "json:loads"
    assert located(f"{second}/model.py:build", folders) == f"{second}/model.py:build"


def test_a_module_of_the_same_name_from_elsewhere_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "decoder.py").write_text(BUILDER)

    with pytest.raises(InputError, match="another module of this name comes first"):
        load(f"{tmp_path}:json.decoder:build")


def test_located_options_bear_the_digest_and_leave_what_is_wrong_alone(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(BUILDER)
    find = registry.family("keras_model").located
    assert find is not None

    found = find({"builder": "model:build", "hidden": 2}, tmp_path)
    assert found == {
        "builder": f"{tmp_path}/model.py:build",
        "builder_sha256": load(found["builder"]).sha256,
        "hidden": 2,
    }
    assert find({"hidden": 2}, tmp_path) == {"hidden": 2}
    assert find({"builder": "nowhere:build"}, tmp_path) == {"builder": "nowhere:build"}
