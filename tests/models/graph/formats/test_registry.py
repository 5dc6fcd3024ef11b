"""Formats are found by their file or by a package's entry point, and told by what lies in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.models.graph import build_graph
from gapsack.models.graph.formats import format_names, format_of, graph_format, load_graph
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}

# A format of another project: a SavedModel in a folder that says whose it is.
PLUG_IN = """
from dataclasses import dataclass, replace

from gapsack.models.graph.formats.savedmodel import SavedModelFormat
from gapsack.models.graph.writing import GraphInfo


class SignedFormat(SavedModelFormat):
    def write(self, members, directory, options):
        return super().write(members, directory, replace(options, extra_files={"signed": b"by another project"}))


FORMAT = SignedFormat(name="signed", marker="assets.extra/signed", suffix=".signed")
MISNAMED = SavedModelFormat()
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "signed_format.py").write_text(PLUG_IN)
    installed = tmp_path / "site" / "signed_format-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: signed-format\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[gapsack.graph_formats]\nsigned = signed_format:FORMAT\nodd = signed_format:MISNAMED\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def test_those_of_the_project_are_its_files():
    assert format_names() == ("savedmodel", "litert", "metagraph")
    assert [graph_format(name).name for name in format_names()] == list(format_names())


@pytest.mark.usefixtures("plug_in")
def test_a_package_brings_a_format_by_an_entry_point(ensemble, videos, tmp_path):
    assert format_names() == ("savedmodel", "litert", "metagraph", "odd", "signed")
    info = build_graph(ensemble("int8"), tmp_path / "graph", task=TASKS["frame"], format="signed")
    assert info.files["assets.extra/signed"] == len("by another project")
    inputs = {"frames": videos.frames, "num_frames": videos.num_frames}
    build_graph(ensemble("int8"), tmp_path / "plain", task=TASKS["frame"])
    expected = load_graph(tmp_path / "plain").predict(inputs).probabilities
    assert (graph_format("signed").load(tmp_path / "graph").predict(inputs).probabilities == expected).all()


@pytest.mark.usefixtures("plug_in")
def test_what_bears_a_wrong_name_or_is_no_format_is_refused(tmp_path):
    with pytest.raises(InputError, match="the name odd in signed_format:MISNAMED, got SavedModelFormat"):
        graph_format("odd")
    with pytest.raises(
        InputError, match=r"expected a graph format \(savedmodel, litert, metagraph, odd, signed\), got"
    ):
        graph_format("onnx")


def test_a_folder_is_told_by_its_marker_and_a_file_by_its_ending(tmp_path):
    for name in format_names():
        (tmp_path / name).mkdir()
        (tmp_path / name / graph_format(name).marker).write_text("")
        assert format_of(tmp_path / name).name == name
    (tmp_path / "mine.tflite").write_text("")
    assert format_of(tmp_path / "mine.tflite").name == "litert"
    for nothing in (tmp_path, tmp_path / "missing", tmp_path / "mine.txt"):
        with pytest.raises(InputError, match=r"one of saved_model\.pb, graph\.tflite, .*a file \*\.tflite"):
            format_of(nothing)


def test_only_a_graph_that_can_is_decoded_once(ensemble, videos, tmp_path):
    inputs = {"frames": videos.frames, "num_frames": videos.num_frames}
    for name in ("savedmodel", "metagraph"):
        build_graph(ensemble("int8"), tmp_path / name, task=TASKS["frame"], format=name)
    plain, once = (load_graph(tmp_path / "savedmodel", decode_once=once).predict(inputs) for once in (False, True))
    assert abs(plain.probabilities - once.probabilities).max() < 1e-6
    with pytest.raises(InputError, match="expected a SavedModel to decode once, got a metagraph"):
        load_graph(tmp_path / "metagraph", decode_once=True)


def test_settings_are_the_formats_own(ensemble, tmp_path):
    for format_name, settings, message in (
        ("savedmodel", {"weights": "float32"}, r"savedmodel has \(none\), got weights=float32"),
        ("litert", {"weights": "int8"}, "expected weights of the format litert to be float16 or float32, got 'int8'"),
        ("litert", {"quantize": "yes"}, r"litert has \(weights\), got quantize=yes"),
    ):
        with pytest.raises(InputError, match=message):
            build_graph(
                ensemble("int8"), tmp_path / "graph", task=TASKS["frame"], format=format_name, settings=settings
            )
    assert list(tmp_path.iterdir()) == []
    sizes = [
        build_graph(
            ensemble("float32"), tmp_path / weights, task=TASKS["frame"], format="litert", settings={"weights": weights}
        ).size_bytes
        for weights in ("float16", "float32")
    ]
    assert sizes[0] < sizes[1] - 3_000


def test_the_package_loads_no_tensorflow(tmp_path):
    code = (
        "import sys, gapsack.models.graph.formats as formats\n"
        "assert formats.format_names() and 'gapsack.models.graph.formats.litert' not in sys.modules\n"
        "formats.graph_formats()\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
