"""What the backend trains on: the devices of this process."""

from __future__ import annotations

import platform


def gpu_count(backend: str) -> int:
    """How many GPUs `backend` (Keras' name of it) sees in this process."""
    if backend == "jax":
        import jax

        try:
            return len(jax.devices("gpu"))
        except RuntimeError:  # that is how it says that there is none
            return 0
    from gapsack.models.quiet_start import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


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
