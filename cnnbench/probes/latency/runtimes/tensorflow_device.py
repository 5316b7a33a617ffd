"""Base class of the runtimes that compute in TensorFlow, and the devices that it may use.

A GPU is used like any other device of TensorFlow, so that tests can use logical CPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cnnbench.errors import Unavailable
from cnnbench.probes.latency.runtimes.base import RuntimeBase
from cnnbench.probes.latency.runtimes.runtime import Runtime, RuntimeInfo

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.settings import LatencySetting


class TensorFlowRuntime(RuntimeBase):
    """A runtime whose inputs are on the device before a call, and its outputs on the host after.

    Args:
        model, setting, folder: as in `RuntimeBase`.
        device: as TensorFlow calls it, ``CPU:0`` or ``GPU:0``; by default that of the setting.
        synchronise: waits until every device has finished; by default TensorFlow's own.
    """

    def __init__(
        self,
        model: ModelHandle,
        setting: LatencySetting,
        folder: Path,
        device: str = "",
        synchronise: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(model, setting, folder)
        self._device = device or {"cpu": "CPU:0", "gpu": "GPU:0"}[setting.device]
        self._synchronise = synchronise

    def check(self) -> None:
        if self.setting.device == "gpu":
            require_gpu()

    def start(self) -> None:
        """Set threads and devices; only possible before TensorFlow's first tensor.

        Raises:
            RuntimeError: TensorFlow has started already.
        """
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        show_gpu(self._device.startswith("GPU"))

    def in_streams(self, count: int) -> Sequence[Self]:
        """Return copies; TensorFlow has one pool of threads for all calls of a process."""
        others = (
            type(self)(self.model, self.setting, self.folder, self._device, self._synchronise)
            for _ in range(count - 1)
        )
        return [self, *others]

    def scope(self) -> Any:
        """Return a context in which tensors are made, and functions traced, on the device."""
        import tensorflow as tf

        return tf.device(f"/device:{self._device}")

    def feed(self, images: np.ndarray) -> Any:
        """Return ``images`` as a tensor on the device, after the copy has finished."""
        import tensorflow as tf

        with self.scope():
            tensor = tf.identity(tf.constant(images))
        self.synchronise()
        return tensor

    def synchronise(self) -> None:
        """Wait until every device has finished."""
        import tensorflow as tf

        (self._synchronise or tf.test.experimental.sync_devices)()

    def arithmetic(self) -> str:
        """Return ``tensorfloat32`` where float32 products may be computed in it: on GPUs.

        That is TensorFlow's default. Cards before Ampere compute in float32 all the same.
        """
        import tensorflow as tf

        is_rounded = (
            self._device.startswith("GPU")
            and self.setting.dtype == "float32"
            and tf.config.experimental.tensor_float_32_execution_enabled()
        )
        return "tensorfloat32" if is_rounded else super().arithmetic()

    def threads_in_use(self) -> int:
        """Return the number of threads that TensorFlow was configured with."""
        import tensorflow as tf

        return int(tf.config.threading.get_intra_op_parallelism_threads())


def tensorflow_info(
    create: Callable[[ModelHandle, LatencySetting, Path], Runtime],
    files: tuple[str, ...],
    rebuilds: bool = False,
    copies_apart: bool = False,
) -> RuntimeInfo:
    """Return the light description of a runtime that computes in TensorFlow."""
    return RuntimeInfo(
        create=create,
        packages=("tensorflow", "keras"),
        install="pip install cnnbench",
        files=files,
        devices=("cpu", "gpu"),
        dtypes=("float32", "bfloat16", "float16"),
        reference="calls",
        rebuilds=rebuilds,
        copies_apart=copies_apart,
    )


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
