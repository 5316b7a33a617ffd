"""What a runtime is to the latency probe: prepare once, then open, run and close in every round."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cnnbench.environment import usable_cores, version_of
from cnnbench.errors import Unavailable
from cnnbench.models.handle import ModelHandle
from cnnbench.probes.latency.settings import LatencySetting


class CallPath(ABC):
    """One way of running a network, for one setting, on what ``prepare`` left in ``folder``.

    ``shape`` is that of the input, with the batch axis.

    A round makes one in a fresh process and calls ``start``, ``load``, ``compile``, ``feed`` and
    ``call``, each timed apart.

    Attributes:
        packages: the distributions that it needs.
        extra: the extra of this package that brings them; empty where it always does.
        dtypes, devices: what it can be measured in and on.
        lowers_precision: whether the runtime itself computes in another precision, on the float32
            network.
    """

    packages: ClassVar[tuple[str, ...]]
    extra: ClassVar[str] = ""
    dtypes: ClassVar[tuple[str, ...]] = ("float32",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    lowers_precision: ClassVar[bool] = False

    def __init__(self, subject: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        self.subject, self.setting, self.folder = subject, setting, folder
        self.threads = threads_of(setting)
        self.shape = (setting.batch_size, *subject.input_shape)

    @classmethod
    def check(cls, setting: LatencySetting) -> None:
        """Say early what is missing.

        Raises:
            Unavailable: the runtime is not installed, or cannot do what ``setting`` asks.
        """
        for package in cls.packages if cls.extra else ():
            if version_of(package) is None:
                raise Unavailable(
                    f'{package} is not installed: pip install "cnnbench[{cls.extra}]"'
                )
        if setting.device == "gpu":
            require_gpu()
        if setting.device not in cls.devices:
            raise Unavailable(f"{setting.runtime} is measured on the CPU only")
        if setting.dtype not in cls.dtypes:
            raise Unavailable(f"{setting.runtime} is measured in {' and '.join(cls.dtypes)} only")

    @abstractmethod
    def prepare(self, model: Any) -> dict[str, float]:
        """Write what the rounds open into the folder.

        Args:
            model: a built ``keras.Model`` with its weights.

        Returns:
            ``convert_s``, and for a flatbuffer its sizes.
        """

    def start(self) -> None:  # noqa: B027 - most runtimes are told their threads when they load
        """Set threads and devices, before anything of the runtime runs in this process."""

    @abstractmethod
    def load(self) -> None:
        """Read from the folder."""

    @abstractmethod
    def compile(self, images: np.ndarray) -> None:
        """Do what has to be done once for inputs like ``images``, before the first call."""

    def feed(self, images: np.ndarray) -> Any:
        """``images`` as ``call`` wants them, where they are when the network runs."""
        return images

    @abstractmethod
    def call(self, fed: Any) -> Any:
        """Run the network once; the result is in the host's memory when this returns."""

    def outputs(self, result: Any) -> list[np.ndarray]:
        """Return the outputs of ``call`` as arrays, in the order of ``tf.nest.flatten``.

        That is the order of a list, or of the sorted keys of a dictionary.
        """
        return [np.asarray(array) for array in result]

    def arithmetic(self) -> str:
        """What its products are rounded to: a dtype, or ``tensorfloat32``."""
        return self.setting.dtype

    def threads_in_use(self) -> int | None:
        """How many threads the runtime says that it computes with; None where it does not say."""
        return None

    def close(self) -> None:  # noqa: B027 - most runtimes have nothing to let go of
        """Let go of everything."""


def threads_of(setting: LatencySetting) -> int:
    """The number of threads that ``setting`` asks for; ``all`` is every usable core."""
    return usable_cores() if setting.threads == "all" else int(setting.threads)


def threads_of_process() -> int | None:
    """The threads that this process has; None where the system does not tell (only Linux does)."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return None


def require_gpu() -> None:
    """Raises `Unavailable` where TensorFlow sees no GPU."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        raise Unavailable("no GPU visible to TensorFlow")
