import base64
import gzip
import re

from gapsack.dashboards.page.tables import MOST_ROWS, Cell, TableColumn, number, table, without_empty, words


def test_cells_carry_the_value_that_they_sort_by() -> None:
    columns, rows = (TableColumn("name"), TableColumn("MiB", numeric=True)), [(words("Kb"), number(9.5, "9.50"))]
    written = table("T", columns, rows, sortable=True)
    assert '<th scope="row" data-value="kb">Kb</th>' in written
    assert '<td class="number" data-value="9.5">9.50</td>' in written
    plain = table("T", columns, rows)
    assert '<td class="number">9.50</td>' in plain
    assert "<button" not in plain


def test_a_missing_number_is_a_dash_without_a_value() -> None:
    assert number(None) == Cell("–", None)
    assert '<td class="number">–</td>' in table(
        "T", (TableColumn("a"), TableColumn("b", numeric=True)), [(words("x"), number(None))]
    )


def test_a_sortable_table_has_buttons_and_rows_know_their_trial() -> None:
    written = table("T", (TableColumn("name"),), [(words("K8"),)], sortable=True, row_names=["K8"])
    assert '<th scope="col"><button type="button">name</button></th>' in written
    assert '<tr data-trial="K8">' in written


def test_columns_without_any_value_are_dropped() -> None:
    columns, rows = without_empty(
        (TableColumn("a"), TableColumn("b"), TableColumn("c")),
        [(words("x"), number(None), number(1)), (words(""), number(None), number(None))],
    )
    assert [column.title for column in columns] == ["a", "c"]
    assert [[cell.shown for cell in row] for row in rows] == [["x", "1"], ["", "–"]]


def test_a_long_table_begins_with_its_first_rows_and_has_the_rest_packed() -> None:
    rows, names = [(words(f"K{number}"),) for number in range(MOST_ROWS + 2)], [f"K{n}" for n in range(MOST_ROWS + 2)]
    written = table("All <trials>", (TableColumn("name"),), rows, sortable=True, row_names=names)
    assert f"<caption>All &lt;trials&gt;: the first {MOST_ROWS} of {MOST_ROWS + 2}</caption>" in written
    assert f'<button type="button" class="more">Show all {MOST_ROWS + 2}</button>' in written
    found = re.search(r'<script type="text/plain" class="rest">([^<]*)</script>', written)
    assert found is not None
    rest = gzip.decompress(base64.b64decode(found[1])).decode()
    whole = re.findall(r'<tr data-trial="(K\d+)">', written.split("</table>")[0] + rest)
    assert whole == names
    assert "rest" not in table("T", (TableColumn("name"),), rows[:MOST_ROWS])
