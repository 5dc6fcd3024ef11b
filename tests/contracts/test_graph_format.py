"""What every graph format must do, run over all that are registered: those in `models/graph/formats/` and entry points.

For a format of another project, import `GraphFormatContract` from this file (it stands alone, beside no conftest), and
name the format:

    class TestMyFormat(GraphFormatContract):
        @pytest.fixture(scope="class")
        @classmethod
        def graph_format(cls) -> Format:
            return MyFormat()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gapsack.models import checkpoints, precisions, registry, sizes
from gapsack.models.errors import GraphError
from gapsack.models.graph import GraphInfo, Member, Predictor
from gapsack.models.graph.formats import Format, format_names, graph_format
from gapsack.models.graph.writing import WriteOptions
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.selection.errors import InputError

FEATURES = {"rgb": 8, "audio": 4, "classes": 30, "mixtures": 2}
WIDTH = FEATURES["rgb"] + FEATURES["audio"]
MEMBERS = (  # hyperparameters, precision, weight in the blend, frames that it samples
    ({**FEATURES, "clusters": 4, "hidden": 6}, "float16", 0.6, 10),
    ({**FEATURES, "clusters": 7, "hidden": 5}, "int8", 0.4, 25),
)
NUM_FRAMES = np.array([1, 7, 60, 31, 3, 12, 59, 10], np.int32)
TOP_K = 20


def write_members(folder: Path) -> list[Member]:
    """An ensemble of two, its weights far from their initial values, so that one in the wrong place shows."""
    members = []
    for index, (hyperparameters, precision, weight, frames) in enumerate(MEMBERS):
        rng = np.random.default_rng(index)
        weights = {
            tensor.name: rng.uniform(0.5 if "variance" in tensor.name else -1, 1.5, tensor.shape).astype(np.float32)
            for tensor in sizes.tensors("gated_netvlad", hyperparameters)
        }
        checkpoints.write_weights(folder / f"m{index}.npz", weights)
        members.append(
            Member(f"m{index}", "gated_netvlad", hyperparameters, precision, weight, folder / f"m{index}.npz", frames)
        )
    return members


def task(level: str) -> YouTube8M:
    """What the members are for."""
    return YouTube8M(level, FEATURES["classes"], FEATURES["rgb"], FEATURES["audio"])


def video_inputs(level: str) -> dict[str, np.ndarray]:
    """A batch of videos with noise beyond their end."""
    rng = np.random.default_rng(9)
    if level == "video":
        vectors = rng.standard_normal((len(NUM_FRAMES), 1, WIDTH)).astype(np.float32)
        return {"frames": vectors, "num_frames": np.ones(len(NUM_FRAMES), np.int32)}
    frames = rng.integers(0, 256, (len(NUM_FRAMES), int(NUM_FRAMES.max()), WIDTH), dtype=np.uint8)
    return {"frames": frames, "num_frames": NUM_FRAMES}


def reference(members: Sequence[Member], inputs: Mapping[str, np.ndarray], level: str) -> np.ndarray:
    """The blend of what each member's own Keras model predicts, with the weights of its precision."""
    total = np.zeros((len(NUM_FRAMES), FEATURES["classes"]))
    for member in members:
        model = registry.build(member.family, **member.hyperparameters)
        weights = checkpoints.read_weights(member.weights)
        checkpoints.load_reference_weights(model, precisions.roundtrip(weights, member.precision, member.tensors))
        frames = inputs["frames"]
        if level == "frame":
            count = member.sample_frames
            chosen = [[(2 * i + 1) * int(n) // (2 * count) for i in range(count)] for n in inputs["num_frames"]]
            frames = np.take_along_axis(frames, np.array(chosen)[..., np.newaxis], axis=1)
        total += member.weight * np.asarray(model({"frames": frames}, training=False))
    return total


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@dataclass(frozen=True)
class Written:
    """A graph of both members at one level, and what it was told as it was written."""

    level: str
    info: GraphInfo
    progress: list[tuple[int, int, str]]


class GraphFormatContract:
    """The suite; a subclass has a fixture `graph_format`, of the scope "class"."""

    @pytest.fixture(scope="class")
    @classmethod
    def members(cls, tmp_path_factory: pytest.TempPathFactory) -> list[Member]:
        return write_members(tmp_path_factory.mktemp("members"))

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, graph_format: Format) -> WriteOptions:
        defaults = {key: choices[0] for key, choices in graph_format.settings.items()}
        return WriteOptions(task("frame"), top_k=TOP_K, settings=defaults)

    @pytest.fixture(scope="class", params=["frame", "video"])
    @classmethod
    def written(
        cls,
        request: pytest.FixtureRequest,
        graph_format: Format,
        members: list[Member],
        options: WriteOptions,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Written:
        told: list[tuple[int, int, str]] = []
        options = replace(
            options,
            task=task(request.param),
            extra_files={"data.json": b"{}", "notes.txt": b"of the ensemble"},
            progress=lambda *step: told.append(step),
        )
        folder = tmp_path_factory.mktemp("written") / "graph"
        return Written(request.param, graph_format.write(members, folder, options), told)

    @pytest.fixture(scope="class")
    @classmethod
    def predictor(cls, graph_format: Format, written: Written) -> Predictor:
        return graph_format.load(written.info.directory)

    def test_it_predicts_the_blend_of_its_members_own_models(
        self, graph_format: Format, members: list[Member], written: Written, predictor: Predictor
    ) -> None:
        inputs = video_inputs(written.level)
        output = predictor.predict(inputs)
        assert output.probabilities.dtype == np.float32
        expected = reference(members, inputs, written.level)
        assert_allclose(output.probabilities, expected, rtol=0, atol=graph_format.tolerance)

    def test_the_best_classes_are_those_of_the_probabilities(self, written: Written, predictor: Predictor) -> None:
        output = predictor.predict(video_inputs(written.level))
        order = np.argsort(-output.probabilities, axis=1, kind="stable")[:, :TOP_K]
        assert_array_equal(output.top_indices, order)
        assert_array_equal(output.top_scores, np.take_along_axis(output.probabilities, order, axis=1))

    def test_a_videos_batch_mates_do_not_change_what_it_gets(
        self, graph_format: Format, written: Written, predictor: Predictor
    ) -> None:
        inputs = video_inputs(written.level)
        whole = predictor.predict(inputs).probabilities
        for row in (0, 2):
            alone = predictor.predict({name: values[row : row + 1] for name, values in inputs.items()})
            assert_allclose(alone.probabilities[0], whole[row], rtol=0, atol=graph_format.tolerance)

    def test_it_says_which_inputs_it_takes_and_refuses_others(self, written: Written, predictor: Predictor) -> None:
        inputs = video_inputs(written.level)
        assert predictor.inputs == tuple(sorted(inputs))
        with pytest.raises(InputError, match=r"expected the inputs frames, num_frames, got frames$"):
            predictor.predict({"frames": inputs["frames"]})
        with pytest.raises(InputError, match="expected the inputs frames, num_frames, got audio, frames, num_frames"):
            predictor.predict({**inputs, "audio": inputs["frames"]})
        with pytest.raises(InputError, match="expected num_frames as int32, got float64 values"):
            predictor.predict({**inputs, "num_frames": inputs["num_frames"] + 0.5})

    def test_what_was_written_is_what_is_told(self, written: Written, members: list[Member]) -> None:
        found = contents(written.info.directory)
        assert written.info.files == {name: len(content) for name, content in found.items()}
        assert written.info.size_bytes == sum(len(content) for content in found.values())
        assert written.progress == [(0, 2, "m0"), (1, 2, "m1"), (2, 2, "")]
        assert written.info.saturated == {}

    def test_extra_files_arrive(self, written: Written) -> None:
        extra = contents(written.info.directory / "assets.extra")
        assert extra == {"data.json": b"{}", "notes.txt": b"of the ensemble"}

    def test_its_marker_is_there_and_a_single_file_is_a_graph_if_it_says_so(
        self, graph_format: Format, written: Written, predictor: Predictor, tmp_path: Path
    ) -> None:
        marker = written.info.directory / graph_format.marker
        assert marker.is_file()
        if graph_format.suffix is not None:
            alone = tmp_path / f"renamed{graph_format.suffix}"
            alone.write_bytes(marker.read_bytes())
            inputs = video_inputs(written.level)
            found = graph_format.load(alone).predict(inputs).probabilities
            assert_array_equal(found, predictor.predict(inputs).probabilities)

    def test_a_budget_that_is_exceeded_leaves_nothing_behind(
        self, graph_format: Format, members: list[Member], options: WriteOptions, written: Written, tmp_path: Path
    ) -> None:
        # A little below what all files take, the extra ones too: some formats differ by a few bytes between builds.
        budget_bytes = written.info.size_bytes - 100
        options = replace(
            options, task=task(written.level), budget_bytes=budget_bytes, extra_files={"more": bytes(100)}
        )
        with pytest.raises(GraphError, match=f"at most {budget_bytes} bytes"):
            graph_format.write(members, tmp_path / "graph", options)
        assert names_in(tmp_path) == []
        info = graph_format.write(members, tmp_path / "graph", replace(options, budget_bytes=budget_bytes + 1_000))
        assert info.size_bytes <= budget_bytes + 1_000

    def test_an_earlier_graph_is_replaced_whole(
        self, graph_format: Format, members: list[Member], options: WriteOptions, tmp_path: Path
    ) -> None:
        folder = tmp_path / "graph"
        graph_format.write(members, folder, replace(options, extra_files={"old": b"1"}))
        (folder / "left.over").write_text("of the earlier graph")
        swapped = [replace(members[0], weight=0.1), replace(members[1], weight=0.9)]
        info = graph_format.write(swapped, folder, replace(options, extra_files={"new": b"2"}))
        assert set(contents(folder)) == set(info.files)
        assert contents(folder / "assets.extra") == {"new": b"2"}
        assert names_in(tmp_path) == ["graph"]
        inputs = video_inputs("frame")
        found = graph_format.load(folder).predict(inputs).probabilities
        assert_allclose(found, reference(swapped, inputs, "frame"), rtol=0, atol=graph_format.tolerance)

    def test_a_build_that_fails_leaves_the_earlier_graph_alone(
        self, graph_format: Format, members: list[Member], options: WriteOptions, tmp_path: Path
    ) -> None:
        graph_format.write(members[:1], tmp_path / "graph", options)
        before = contents(tmp_path / "graph")
        broken = [members[0], replace(members[1], weights=tmp_path / "missing.npz")]
        with pytest.raises(InputError, match=r"member m1: .*missing\.npz: expected this file"):
            graph_format.write(broken, tmp_path / "graph", options)
        assert contents(tmp_path / "graph") == before
        assert names_in(tmp_path) == ["graph"]

    def test_a_folder_of_something_else_is_never_written_to(
        self, graph_format: Format, members: list[Member], options: WriteOptions, tmp_path: Path
    ) -> None:
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
        with pytest.raises(InputError, match="expected a new folder"):
            graph_format.write(members, tmp_path / "thesis", options)
        assert contents(tmp_path) == {"thesis/chapter1.tex": b"years of work"}

    def test_weights_beyond_their_precision_stop_the_build_or_are_clipped_and_counted(
        self, graph_format: Format, members: list[Member], options: WriteOptions, tmp_path: Path
    ) -> None:
        weights = checkpoints.read_weights(members[0].weights)
        weights["tower/experts/weights"][0, :3] = 1e5
        checkpoints.write_weights(tmp_path / "large.npz", weights)
        large = [replace(members[0], weights=tmp_path / "large.npz")]
        with pytest.raises(InputError, match="3 beyond it in tower/experts/weights"):
            graph_format.write(large, tmp_path / "graph", options)
        info = graph_format.write(large, tmp_path / "graph", replace(options, saturate=True))
        assert info.saturated == {"m0 tower/experts/weights": 3}

    @pytest.mark.parametrize("damage", ["emptied", "cut", "overwritten"])
    def test_a_damaged_graph_is_refused(
        self, graph_format: Format, written: Written, tmp_path: Path, damage: str
    ) -> None:
        for name, content in contents(written.info.directory).items():
            (tmp_path / "graph" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "graph" / name).write_bytes(content)
        marker = tmp_path / "graph" / graph_format.marker
        whole = marker.read_bytes()
        noise = np.random.default_rng(0).bytes(len(whole))
        marker.write_bytes({"emptied": b"", "cut": whole[: len(whole) // 2], "overwritten": noise}[damage])
        with pytest.raises(InputError, match="expected"):
            graph_format.load(tmp_path / "graph")

    def test_a_graph_that_lacks_a_file_is_refused(self, graph_format: Format, written: Written, tmp_path: Path) -> None:
        """Of those that hold most of the graph's bytes; a fingerprint may be missed by nobody."""
        found = contents(written.info.directory)
        for missing in [name for name, content in found.items() if len(content) > written.info.size_bytes / 4]:
            folder = tmp_path / missing.replace("/", "_")
            for name, content in found.items():
                if name != missing:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(content)
            with pytest.raises(InputError, match="expected"):
                graph_format.load(folder)
        with pytest.raises(InputError, match="expected"):
            graph_format.load(tmp_path / "nothing")


class TestEveryFormat(GraphFormatContract):
    @pytest.fixture(scope="class", params=format_names())
    @classmethod
    def graph_format(cls, request: pytest.FixtureRequest) -> Format:
        return graph_format(request.param)


@pytest.mark.parametrize("name", format_names())
def test_a_format_is_what_the_protocol_asks_for(name: str) -> None:
    found: Any = graph_format(name)
    assert isinstance(found, Format)
    assert found.name == name
    assert 0 < found.tolerance < 0.01
    assert all(len(choices) >= 2 for choices in found.settings.values())
    markers = [graph_format(other).marker for other in format_names()]
    assert markers.count(found.marker) == 1
