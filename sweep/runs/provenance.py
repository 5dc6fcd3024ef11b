"""What another person needs to repeat a trial: data files, machine, device, versions."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import google_crc32c

from gapsack.sweep.runs.checksums import Checksums, sizes_bytes
from gapsack.sweep.runs.environment import versions


def file_list_summary(paths: Sequence[str], checksums: Checksums | None) -> dict[str, Any]:
    """Number and bytes of data files, and CRC-32Cs of their list, in their order.

    `list_crc32c` is of one line `<name> <bytes>` a file, `crc32c` of their sorted lines in the run's checksums.txt: of
    their contents or their ends, as `crc32c_of` says; the latter two are missing where the run has no such file.
    """
    sizes = sizes_bytes(paths)
    lines = "".join(f"{path.rsplit('/', 1)[-1]} {size}\n" for path, size in zip(paths, sizes, strict=True))
    summary: dict[str, Any] = {"files": len(paths), "bytes": sum(sizes)}
    summary["list_crc32c"] = f"{google_crc32c.value(lines.encode()):08x}"
    combined = None if checksums is None else checksums.combined(paths)
    if checksums is not None and combined is not None:
        summary |= {"crc32c": combined, "crc32c_of": checksums.of}
    return summary


def trial_environment() -> dict[str, str]:
    """Versions, machine and device of this process, whose backend is up."""
    import keras

    return {
        **versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "device": device_name(keras.backend.backend()),
    }


def device_name(backend: str) -> str:
    """The device that `backend` trains on: a GPU's model, or the processor."""
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return processor_name() if device.platform == "cpu" else str(device.device_kind)
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return processor_name()
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name))


def processor_name() -> str:
    """The processor's model, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  (a pseudo-file)
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
