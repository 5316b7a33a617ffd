"""Device and base class of the runtimes that compute in TensorFlow.

A GPU is used like any other device of TensorFlow, so that tests can use logical CPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.probes.latency.runtimes.runtime import RuntimeBase

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.settings import LatencySetting

PACKAGES = ("tensorflow", "keras")
INSTALL = "pip install cnnbench"
DEVICES = ("cpu", "gpu")
DTYPES = ("float32", "bfloat16", "float16")


class Device:
    """A device of TensorFlow.

    Args:
        name: as TensorFlow calls it: ``CPU:0``, ``GPU:0``.
        threads: of operations on the CPU.
        synchronise: waits until every device has finished; by default TensorFlow's own.
    """

    def __init__(
        self, name: str, threads: int, synchronise: Callable[[], None] | None = None
    ) -> None:
        import tensorflow as tf

        self.name, self.threads = name, threads
        self._synchronise = synchronise or tf.test.experimental.sync_devices

    def start(self) -> None:
        """Set threads and devices; only possible before TensorFlow's first tensor.

        Raises:
            RuntimeError: TensorFlow has started already.
        """
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        show_gpu(self.name.startswith("GPU"))

    def scope(self) -> Any:
        """Return a context in which tensors are made, and functions traced, on this device."""
        import tensorflow as tf

        return tf.device(f"/device:{self.name}")

    def put(self, images: np.ndarray) -> Any:
        """Return ``images`` as a tensor on the device, after the copy has finished."""
        import tensorflow as tf

        with self.scope():
            tensor = tf.identity(tf.constant(images))
        self._synchronise()
        return tensor

    def rounds_float32(self) -> bool:
        """Return whether float32 products may be computed in TensorFloat-32, the default on GPUs.

        Cards before Ampere compute in float32 all the same.
        """
        import tensorflow as tf

        enabled = tf.config.experimental.tensor_float_32_execution_enabled()
        return self.name.startswith("GPU") and bool(enabled)

    @staticmethod
    def threads_in_use() -> int:
        """Return the number of threads that TensorFlow was configured with."""
        import tensorflow as tf

        return int(tf.config.threading.get_intra_op_parallelism_threads())


class TensorFlowRuntime(RuntimeBase):
    """A runtime whose inputs are on the device before a call, and its outputs on the host after.

    Args:
        model, setting, folder: as in `RuntimeBase`.
        device: by default that of the setting.
    """

    def __init__(
        self,
        model: ModelHandle,
        setting: LatencySetting,
        folder: Path,
        device: Device | None = None,
    ) -> None:
        super().__init__(model, setting, folder)
        name = {"cpu": "CPU:0", "gpu": "GPU:0"}[setting.device]
        self._device = device or Device(name, self.threads)

    def check(self) -> None:
        if self.setting.device == "gpu":
            require_gpu()

    def start(self) -> None:
        self._device.start()

    def feed(self, images: np.ndarray) -> Any:
        return self._device.put(images)

    def arithmetic(self) -> str:
        is_rounded = self.setting.dtype == "float32" and self._device.rounds_float32()
        return "tensorfloat32" if is_rounded else super().arithmetic()

    def threads_in_use(self) -> int:
        return self._device.threads_in_use()


def require_gpu() -> None:
    """Refuse a machine on which TensorFlow sees no GPU.

    Raises:
        Unavailable: it sees none.
    """
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        raise Unavailable("no GPU visible to TensorFlow")


def show_gpu(is_wanted: bool) -> None:
    """Show TensorFlow one GPU or none, so that nothing meant for the CPU runs on a GPU.

    The GPU's memory grows as needed; otherwise TensorFlow would take all of it.

    Raises:
        RuntimeError: TensorFlow has started already.
    """
    import tensorflow as tf

    used = tf.config.list_physical_devices("GPU")[:1] if is_wanted else []
    tf.config.set_visible_devices(used, "GPU")
    for gpu in used:
        tf.config.experimental.set_memory_growth(gpu, True)


def keep_float32_exact() -> None:
    """Turn TensorFloat-32 off: outputs that others are compared with must not be rounded."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
