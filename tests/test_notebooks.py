"""The notebooks of the documentation run from their first cell to their last, and show what they say."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "notebooks"


def shown(name: str) -> list[Any]:
    """What the cells of a notebook show: the value of each one's last line, if that is an expression."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found = []
    for cell in json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), name, "exec"), names)
        if last is not None:
            found.append(eval(compile(ast.Expression(last.value), name, "eval"), names))
    return found


def test_there_is_a_test_for_every_notebook():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {"own_predictions", "own_model"}


def test_no_notebook_has_outputs():
    """They would be of one machine, and grow old."""
    for path in FOLDER.glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path


@pytest.mark.slow
def test_own_predictions(capsys):
    pool, chosen, difference, every, printed = shown("own_predictions")
    assert "logistic" in pool._repr_html_()
    assert chosen.total_bytes <= chosen.budget_bytes
    assert difference["standard_error"] > 0
    assert len(every.points) > 1
    assert printed is None
    assert "new digits are right" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.timeout(600)
def test_own_model(capsys):
    *_, gaps, chosen, printed, classes = shown("own_model")
    assert len(gaps) == 4
    assert all(gap > 0.4 for gap in gaps.values()), gaps
    assert chosen.total_bytes + chosen.reserve_bytes <= chosen.budget_bytes
    assert printed is None
    assert "MiB on disk" in capsys.readouterr().out
    assert classes.shape == (3,)
