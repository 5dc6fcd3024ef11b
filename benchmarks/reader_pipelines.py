"""Ways to read the same files: doing nothing, ours, a good tf.data pipeline, and what starter code does.

Each of them goes on for ever, and every record's CRC is checked in each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import evaluation_batches, training_batches

MAX_FRAMES = 300
_AGAIN = 100_000


def read_only(files: Sequence[str], threads: int) -> int:
    """Read every byte into one reused buffer a thread: the limit for anything that reads files. Returns the bytes."""

    def read(file: str) -> int:
        buffer, total = memoryview(bytearray(1 << 20)), 0
        descriptor = os.open(file, os.O_RDONLY)
        try:
            while count := os.readv(descriptor, [buffer]):
                total += count
        finally:
            os.close(descriptor)
        return total

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(read, files))


def ours_in_training(
    files: Sequence[str], features: Features, batch_size: int, sample_frames: int
) -> Iterator[tuple[Any, Any]]:
    """Shuffled, `sample_frames` random frames of each video, uint8."""
    with training_batches(
        files, features, batch_size=batch_size, sample_frames=sample_frames, seed=0, faults=Faults(0.0)
    ) as batches:
        for batch in batches:
            yield batch.frames, batch.labels


def ours_in_evaluation(
    files: Sequence[str], features: Features, batch_size: int, sample_frames: int
) -> Iterator[tuple[Any, Any]]:
    """In order, `sample_frames` evenly spaced frames, uint8; one long pass over the files, again and again."""
    with evaluation_batches(
        list(files) * _AGAIN, features, batch_size=batch_size, sample_frames=sample_frames, faults=Faults(0.0)
    ) as batches:
        for batch in batches:
            yield batch.frames, batch.labels


def starter_code(files: Sequence[str], features: Features, batch_size: int, parallel: bool = False) -> Any:
    """One parse a record, decode, dequantize to float32, pad to 300 frames, concatenate; dense labels.

    `parallel`: the same, several records at a time, as many as TensorFlow sees fit.
    """
    import tensorflow as tf

    def parse_frames(record: Any) -> tuple[Any, Any]:
        context, lists = tf.io.parse_single_sequence_example(
            record,
            context_features={"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)},
            sequence_features={
                "rgb": tf.io.FixedLenSequenceFeature([], tf.string),
                "audio": tf.io.FixedLenSequenceFeature([], tf.string),
            },
        )
        parts = []
        for name, width in (("rgb", features.rgb), ("audio", features.audio)):
            values = tf.cast(tf.reshape(tf.io.decode_raw(lists[name], tf.uint8), [-1, width]), tf.float32)
            values = (values * (4 / 255) + (4 / 512 - 2))[:MAX_FRAMES]
            values = tf.pad(values, [[0, MAX_FRAMES - tf.shape(values)[0]], [0, 0]])
            parts.append(tf.ensure_shape(values, [MAX_FRAMES, width]))
        return tf.concat(parts, axis=1), dense_labels(context["labels"])

    def parse_means(record: Any) -> tuple[Any, Any]:
        parsed = tf.io.parse_single_example(record, _mean_features(features))
        return tf.concat([parsed["mean_rgb"], parsed["mean_audio"]], axis=0), dense_labels(parsed["labels"])

    def dense_labels(labels: Any) -> Any:
        return tf.sparse.to_indicator(labels, features.classes)

    parse = parse_frames if features.level == "frame" else parse_means
    at_once = tf.data.AUTOTUNE if parallel else None
    records = tf.data.TFRecordDataset(files).repeat()
    return records.map(parse, num_parallel_calls=at_once).batch(batch_size).prefetch(1)


def good_tf_data(files: Sequence[str], features: Features, batch_size: int, buffer_records: int) -> Any:
    """Interleaved files, a shuffle buffer, a batch parsed at once in parallel, frames left uint8, prefetch."""
    import tensorflow as tf

    context = {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
    sequences = {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in ("rgb", "audio")}

    def parse_frames(records: Any) -> tuple[Any, Any]:
        found, lists, _ = tf.io.parse_sequence_example(records, context, sequences)
        parts = [
            tf.io.decode_raw(lists[name][:, :MAX_FRAMES], tf.uint8, fixed_length=width)
            for name, width in (("rgb", features.rgb), ("audio", features.audio))
        ]
        return tf.concat(parts, axis=2), dense_labels(found["labels"])

    def parse_means(records: Any) -> tuple[Any, Any]:
        found = tf.io.parse_example(records, _mean_features(features))
        return tf.concat([found["mean_rgb"], found["mean_audio"]], axis=1), dense_labels(found["labels"])

    def dense_labels(labels: Any) -> Any:
        return tf.sparse.to_indicator(labels, features.classes)

    parse = parse_frames if features.level == "frame" else parse_means
    names = tf.data.Dataset.from_tensor_slices(list(files)).repeat()
    records = names.interleave(
        tf.data.TFRecordDataset, cycle_length=16, block_length=8, num_parallel_calls=tf.data.AUTOTUNE
    )
    batches = records.shuffle(buffer_records, seed=0).batch(batch_size, drop_remainder=True)
    return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def total_bytes(files: Sequence[str]) -> int:
    """Bytes of all files."""
    return sum(Path(file).stat().st_size for file in files)


def _mean_features(features: Features) -> dict[str, Any]:
    import tensorflow as tf

    return {
        "id": tf.io.FixedLenFeature([], tf.string),
        "labels": tf.io.VarLenFeature(tf.int64),
        "mean_rgb": tf.io.FixedLenFeature([features.rgb], tf.float32),
        "mean_audio": tf.io.FixedLenFeature([features.audio], tf.float32),
    }
