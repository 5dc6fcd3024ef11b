import pytest

from gapsack.sweep.errors import ConfigError
from gapsack.sweep.grid.yaml12 import dotted, read_document


def parsed(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return read_document(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.5E3", 1500.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("200_000", 200_000),
        ("010", 10),
        ("-3", -3),
        ("true", True),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2018-01-01", "2018-01-01"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"1e-4"', "1e-4"),
        ("e5", "e5"),
        ("1e", "1e"),
        (".", "."),
    ],
)
def test_scalars_follow_yaml_1_2(tmp_path, text, value):
    found = parsed(tmp_path, f"key: {text}").content["key"]
    assert found == value
    assert type(found) is type(value)


def test_anchors_and_merge_keys_still_work(tmp_path):
    content = parsed(tmp_path, "a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n").content
    assert content["b"] == {"x": 1, "y": 2}


def test_every_key_and_item_has_its_line(tmp_path):
    document = parsed(tmp_path, "name: a\nsearch:\n  points:\n    - {k: 1}\n    - {k: 2}\n")
    assert document.line(("name",)) == 1
    assert document.line(("search", "points", 1, "k")) == 5
    assert document.line(("search", "missing")) == 2
    assert document.describe(("search", "points", 1, "k")) == "search.points[1].k (line 5)"
    assert document.describe(("missing",)) == "missing"


def test_the_whole_file_has_a_name_too():
    assert dotted(()) == "the file"


def test_a_key_given_twice_is_an_error_with_both_lines(tmp_path):
    with pytest.raises(ConfigError, match=r"training\.steps is given twice, on lines 2 and 3"):
        parsed(tmp_path, "training:\n  steps: 1\n  steps: 2\n")


@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "- a\nb: c", "a: !!python/object:os.system x"])
def test_what_is_not_yaml_is_a_config_error(tmp_path, text):
    with pytest.raises(ConfigError, match="expected YAML"):
        parsed(tmp_path, text)


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_document(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_document(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a [*a]", "a[0] is an alias of what it lies in"),
        ("a: &a {b: {c: *a}}", "a.b.c is an alias of what it lies in"),
        ("[" * 5000, "nested too deep"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested too deep"),
        ("a: 1\x07", "special characters are not allowed"),
        ("a: " + "9" * 5000, "at most 40 digits, got 5000"),
        ("a: !!timestamp x", "not of its tag"),
        ("a: !!bool x", "not of its tag"),
        ("? [a]\n: 1", "unhashable key"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
            "at most 1000000 keys and items",
        ),
    ],
)
def test_yaml_that_no_one_means_is_a_sentence(text, told, tmp_path):
    (tmp_path / "grid.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_document(tmp_path / "grid.yaml")
    assert told in str(caught.value)
