from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from gapsack.models.checkpoints import write_weights
from gapsack.models.graph import Graph, Member, build_graph
from gapsack.models.tasks.youtube8m import YouTube8M

TASKS = {level: YouTube8M(level, classes=30, rgb=8, audio=4) for level in ("frame", "video")}


def bytes_list(rows):
    return tf.train.FeatureList(
        feature=[tf.train.Feature(bytes_list=tf.train.BytesList(value=[row.tobytes()])) for row in rows]
    )


def frame_record(frames, rgb):
    lists = {"rgb": bytes_list(frames[:, :rgb]), "audio": bytes_list(frames[:, rgb:])}
    context = {"id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"abcd"]))}
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context), feature_lists=tf.train.FeatureLists(feature_list=lists)
    ).SerializeToString()


def video_record(vector, rgb):
    values = {"mean_rgb": vector[:rgb], "mean_audio": vector[rgb:]}
    features = {key: tf.train.Feature(float_list=tf.train.FloatList(value=part)) for key, part in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def test_serialized_frame_records_give_what_their_frames_give(ensemble, videos, tmp_path):
    build_graph(ensemble("float32", "int8"), tmp_path / "graph", task=TASKS["frame"])
    graph = Graph(tmp_path / "graph")
    records = [
        frame_record(frames[: max(1, count)], rgb=8)
        for frames, count in zip(videos.frames, videos.num_frames, strict=True)
    ]
    expected = graph.predict({"frames": videos.frames, "num_frames": videos.num_frames})
    output = graph.predict_serialized(records)
    assert_allclose(output.probabilities, expected.probabilities, atol=1e-6)
    assert_allclose(graph.predict_serialized(records[2:3]).probabilities, expected.probabilities[2:3], atol=1e-6)


def test_serialized_video_records_give_what_their_vectors_give(ensemble, videos, tmp_path):
    build_graph(ensemble("float32", "int8"), tmp_path / "graph", task=TASKS["video"])
    graph = Graph(tmp_path / "graph")
    expected = graph.predict({"frames": videos.vectors, "num_frames": np.ones(10)}).probabilities
    output = graph.predict_serialized([video_record(vector[0], rgb=8) for vector in videos.vectors])
    assert_allclose(output.probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("level", ["frame", "video"])
def test_real_records_go_through_the_graph(random_weights, tmp_path, request, level):
    folder = request.getfixturevalue(f"yt8m_{level}")
    file = next(iter(sorted(folder.glob("*.tfrecord*"))))
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file)).take(3)]
    hyperparameters = {"clusters": 2, "hidden": 4, "classes": 20}
    write_weights(tmp_path / "w.npz", random_weights(hyperparameters, 0))
    member = Member("m", "gated_netvlad", hyperparameters, "float16", 1.0, tmp_path / "w.npz", 30)
    build_graph([member], tmp_path / "graph", task=YouTube8M(level, classes=20))
    graph = Graph(tmp_path / "graph")
    if level == "frame":
        lists = tf.train.SequenceExample.FromString(records[0]).feature_lists.feature_list
        rows = [
            np.frombuffer(b"".join(f.bytes_list.value[0] for f in lists[key].feature), np.uint8).reshape(-1, width)
            for key, width in (("rgb", 1024), ("audio", 128))
        ]
        frames = np.concatenate(rows, axis=1)[None]
        records, count = records[:1], [len(rows[0])]
    else:
        parsed = [tf.train.Example.FromString(record).features.feature for record in records]
        frames = np.array(
            [[[*f["mean_rgb"].float_list.value, *f["mean_audio"].float_list.value]] for f in parsed], np.float32
        )
        count = [1] * len(records)
    expected = graph.predict({"frames": frames, "num_frames": np.array(count)}).probabilities
    assert_allclose(graph.predict_serialized(records).probabilities, expected, atol=1e-6)
