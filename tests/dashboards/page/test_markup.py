from hypothesis import given
from hypothesis import strategies as st

from gapsack.dashboards.page.markup import Markup, escape, join, tag


@given(st.text())
def test_text_cannot_leave_its_place(text: str) -> None:
    written = tag("p", text, title=text)
    assert written.count("<") == 2
    assert written.count('"') == 2


def test_attributes_are_written_as_html_has_them() -> None:
    assert tag("td", "x", class_="number", data_value=0.5, hidden=True, title=None) == (
        '<td class="number" data-value="0.5" hidden>x</td>'
    )
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_markup_is_escaped_once() -> None:
    assert tag("p", tag("b", "<&>")) == "<p><b>&lt;&amp;&gt;</b></p>"
    assert escape(Markup("<br>")) == "<br>"


def test_missing_parts_are_left_out() -> None:
    assert join(["a", None, Markup("<br>"), 3]) == "a<br>3"


def test_control_characters_are_left_out_of_content_and_attributes():
    hostile = "a\x1b[2J\x00b\x9bc\u202ed\ne\tf"
    assert tag("p", hostile, title=hostile) == '<p title="a[2Jbcd\ne\tf">a[2Jbcd\ne\tf</p>'
