"""The device that TensorFlow computes on: set up before its first tensor, fed, waited for.

The path to a GPU is the path to any device of TensorFlow, so that it is tested on logical CPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Device:
    """A device by its TensorFlow name: ``CPU:0``, ``GPU:0``.

    Args:
        name: of the device.
        threads: of operations on the CPU.
        synchronise: waits until every device has done what it was given; by default
            TensorFlow's own.
    """

    def __init__(
        self, name: str, threads: int, synchronise: Callable[[], None] | None = None
    ) -> None:
        import tensorflow as tf

        self.name, self.threads = name, threads
        self._synchronise = synchronise or tf.test.experimental.sync_devices

    def start(self) -> None:
        """Set threads and devices; only before TensorFlow's first tensor.

        Raises:
            RuntimeError: TensorFlow has started already.
        """
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        show_gpu(self.name.startswith("GPU"))

    def scope(self) -> Any:
        """What is made or traced inside is on this device."""
        import tensorflow as tf

        return tf.device(f"/device:{self.name}")

    def put(self, images: np.ndarray) -> Any:
        """``images`` as a tensor on the device; the copy is over when this returns."""
        import tensorflow as tf

        with self.scope():
            tensor = tf.identity(tf.constant(images))
        self._synchronise()
        return tensor

    def rounds_float32(self) -> bool:
        """Whether products of float32 may be computed in TensorFloat-32, TensorFlow's default.

        Cards before Ampere have none, and compute in float32 all the same.
        """
        import tensorflow as tf

        enabled = tf.config.experimental.tensor_float_32_execution_enabled()
        return self.name.startswith("GPU") and bool(enabled)

    @staticmethod
    def threads_in_use() -> int:
        """What TensorFlow was told; that it came too late would have been an error."""
        import tensorflow as tf

        return int(tf.config.threading.get_intra_op_parallelism_threads())


def show_gpu(is_wanted: bool) -> None:
    """Leave TensorFlow one GPU, or none: else what is asked of the CPU is computed on a GPU.

    Its memory grows as it is needed, or TensorFlow would take all of it.

    Raises:
        RuntimeError: TensorFlow has started already.
    """
    import tensorflow as tf

    used = tf.config.list_physical_devices("GPU")[:1] if is_wanted else []
    tf.config.set_visible_devices(used, "GPU")
    for gpu in used:
        tf.config.experimental.set_memory_growth(gpu, True)


def keep_float32_exact() -> None:
    """Have a GPU multiply float32 as float32: what others are compared with is not rounded."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def device_of(kind: str, threads: int) -> Device:
    """The device of a setting's ``cpu`` or ``gpu``, not yet started."""
    return Device({"cpu": "CPU:0", "gpu": "GPU:0"}[kind], threads)
