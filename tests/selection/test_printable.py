"""What a terminal takes for a command is no part of a name; lines, tabs and every script of the world are."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gapsack.selection.printable import escaped_json, printable


@given(st.text())
def test_no_control_character_is_left_and_nothing_else_is_lost(text):
    shown = printable(text)
    assert not any(unicodedata.category(each) == "Cc" and each not in "\n\t" for each in shown)
    gone = [each for each in text if each not in shown]
    assert all(unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp") for each in gone)
    assert printable(shown) == shown


def test_names_of_people_are_as_they_were():
    for text in ("K4-H16", "naïve café", "模型 α", "שלום", "👩\u200d🔬", "a\tb\nc"):
        assert printable(text) == text


@given(st.dictionaries(st.text(), st.text()))
def test_json_keeps_its_value(value):
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(escaped_json(text)) == value
    assert printable(escaped_json(text)) == escaped_json(text)
