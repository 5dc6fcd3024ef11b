from gapsack.dashboards.page.tables import Cell, TableColumn, number, table, without_empty, words


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
