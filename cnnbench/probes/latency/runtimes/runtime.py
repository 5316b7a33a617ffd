"""The interface between the latency probe and a runtime.

A runtime has a light half, `RuntimeInfo`, which planning reads, and a heavy half, `Runtime`, which
only workers create. Importing the light half must not import the runtime's libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cnnbench.environment import usable_cores, version_of
from cnnbench.errors import JobFailed, Unavailable

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.settings import LatencySetting

# The largest difference from Keras' output, relative to the largest output, that rounding in this
# arithmetic explains over some hundred layers. TensorFloat-32 has ten bits of mantissa: on an H100
# MobileNetV2 differed by 0.008, InceptionV3 by 0.023.
TOLERANCES: Mapping[str, float] = {
    "float32": 1e-3,
    "tensorfloat32": 0.05,
    "bfloat16": 0.1,
    "float16": 0.02,
}


class Runtime(Protocol):
    """One model in one runtime, for one setting, in one process.

    ``prepare`` is called once for each cell, in a process of its own. Every round creates the
    runtime anew in a fresh process and calls ``start``, ``load``, ``compile``, ``feed`` and
    ``call``, each timed apart, and ``close``. `RuntimeBase` implements what most of them share.

    Attributes:
        setting: setting of the cell.
        threads: number of threads to compute on.
    """

    setting: LatencySetting
    threads: int

    def check(self) -> None:
        """Check that this machine can run the setting; called before anything else.

        Raises:
            Unavailable: hardware is missing or lacks a precision.
        """

    def prepare(self, keras_model: Any) -> dict[str, float]:
        """Convert the model and write the files that the rounds open.

        Args:
            keras_model: a built ``keras.Model`` with its weights.

        Returns:
            Metrics in base units: ``convert_s``, and ``file_bytes`` and ``file_gzip_bytes`` where
            the file is what a user would ship.
        """

    def start(self) -> None:
        """Set threads and devices, before the runtime's library does anything in this process."""

    def load(self) -> None:
        """Read the files that ``prepare`` wrote."""

    def compile(self, images: np.ndarray) -> None:
        """Do what has to be done once, before the first call, for inputs like ``images``."""

    def feed(self, images: np.ndarray) -> Any:
        """Return ``images`` in the form and on the device that ``call`` expects."""

    def call(self, fed: Any) -> Any:
        """Run the model once; the result is in the host's memory when this returns."""

    def outputs(self, result: Any) -> list[np.ndarray]:
        """Return the result of ``call`` as arrays, in the order of ``tf.nest.flatten``.

        That is the order of a list, or of the sorted keys of a dictionary.
        """

    def arithmetic(self) -> str:
        """Return the number format of its products: a dtype, or ``tensorfloat32``."""

    def tolerance(self) -> float:
        """Return the largest difference from Keras' output over the largest output."""

    def threads_in_use(self) -> int | None:
        """Return the number of threads that the runtime computes on, or None if unknown."""

    def close(self) -> None:
        """Release everything."""


@dataclass(frozen=True)
class RuntimeInfo:
    """Light description of a runtime, which is registered under its name.

    Attributes:
        create: returns the runtime for a model, a setting and the folder of the cell's files.
            Called in workers only, so that it may import heavy libraries.
        packages: distributions that it needs. Their versions are part of the environment's
            fingerprint, as is that of the distribution that provides the runtime.
        install: command that installs them.
        files: names of the files that ``prepare`` writes into the folder.
        devices, dtypes: what it can be measured on and in.
        reference: the workload of the reference that its calls slow down with, by which they are
            divided; None if it follows none (docs/measuring.md says how that was found out).
        lowers_precision: whether the runtime itself computes the float32 model in another
            ``dtype``; otherwise it gets a model with Keras' mixed precision.
        rebuilds: whether rounds build the model again from its name, instead of reading a network
            from the files; such a runtime cannot time one that was trained or changed.
        variables: environment variables that change how it computes; those that are set are part
            of the fingerprint too. Read from runtimes of other packages; cnnbench's own are named
            in `cnnbench.environment.variables`.
    """

    create: Callable[[ModelHandle, LatencySetting, Path], Runtime]
    packages: tuple[str, ...] = ()
    install: str = ""
    files: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ("float32",)
    reference: str | None = None
    lowers_precision: bool = False
    rebuilds: bool = False
    variables: tuple[str, ...] = ()

    def check(
        self, setting: LatencySetting, version_of: Callable[[str], str | None] = version_of
    ) -> None:
        """Check that the runtime is installed and supports the setting, without importing it.

        Args:
            setting: setting of the cell.
            version_of: returns the version of an installed distribution, or None.

        Raises:
            Unavailable: with the reason, and the command that installs what is missing.
        """
        missing = [name for name in self.packages if version_of(name) is None]
        if missing:
            command = self.install or f"pip install {' '.join(missing)}"
            raise Unavailable(f"{missing[0]} is not installed: {command}")
        if setting.device not in self.devices:
            devices = " and ".join(f"the {device.upper()}" for device in self.devices)
            raise Unavailable(f"{setting.runtime} is measured on {devices} only")
        if setting.dtype not in self.dtypes:
            dtypes = " and ".join(self.dtypes)
            raise Unavailable(f"{setting.runtime} is measured in {dtypes} only")

    def check_files(self, folder: Path) -> None:
        """Check that the files of ``prepare`` exist in ``folder``.

        Raises:
            JobFailed: one is missing; the message names it.
        """
        for name in self.files:
            if not (folder / name).exists():
                raise JobFailed(f"the converted file {name} is missing: run again with --fresh")


class RuntimeBase:
    """The parts of a `Runtime` that most runtimes share.

    Attributes:
        model, setting, folder: as given to `RuntimeInfo.create`.
        threads: number of threads to compute on.
        shape: of the input, with the batch axis.
    """

    def __init__(self, model: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        self.model, self.setting, self.folder = model, setting, folder
        self.threads = usable_cores() if setting.threads == "all" else int(setting.threads)
        self.shape = (setting.batch_size, *model.input_shape)

    def check(self) -> None:
        """Accept every setting."""

    def start(self) -> None:
        """Do nothing: most runtimes set their threads in ``load``."""

    def compile(self, images: np.ndarray) -> None:
        """Compile nothing."""

    def feed(self, images: np.ndarray) -> Any:
        """Return ``images`` as they are."""
        return images

    def outputs(self, result: Any) -> list[np.ndarray]:
        """Return a list of results as arrays."""
        return [np.asarray(array) for array in result]

    def arithmetic(self) -> str:
        """Return the setting's dtype."""
        return self.setting.dtype

    def tolerance(self) -> float:
        """Return the tolerance of its arithmetic."""
        return TOLERANCES[self.arithmetic()]

    def threads_in_use(self) -> int | None:
        """Return None: unknown."""
        return None

    def close(self) -> None:
        """Release nothing."""


def check_order(names: Sequence[str], expected: Sequence[str]) -> None:
    """Check that a converted file has the outputs of the network, in their order.

    The outputs of a file are read by position; where two are of one shape, nothing else would show
    that they are exchanged. Of outputs with equal values a converter may keep one, which then
    stands in its own place and in those of the others.

    Args:
        names: of the outputs of the file.
        expected: of the outputs of the graph that was converted.

    Raises:
        JobFailed: they differ.
    """
    places = {name: place for place, name in enumerate(expected)}
    is_same = len(names) == len(expected)
    if not is_same or not all(name in places and names[places[name]] == name for name in names):
        raise JobFailed(
            f"the converter changed the outputs: {', '.join(expected)} became {', '.join(names)}"
        )


def thread_counter() -> Callable[[], int | None]:
    """Return a function that counts the threads of a runtime that does not report them.

    Those are the caller and all threads started between the two calls; None if the system does not
    report threads.
    """
    before = _threads_of_process()

    def count() -> int | None:
        now = _threads_of_process()
        return None if before is None or now is None else now - before + 1

    return count


def _threads_of_process() -> int | None:
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:  # not on Linux
        return None
