"""The interface between the latency probe and a runtime.

A runtime has a light half, `RuntimeInfo`, which planning reads, and a heavy half, `Runtime`, which
only workers create. Importing the light half must not import the runtime's libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cnnbench.environment import version_of
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes import artifacts

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle, ModelInfo
    from cnnbench.probes.latency.runtimes.executed import Executed, Profile
    from cnnbench.probes.latency.settings import LatencySetting


@dataclass(frozen=True)
class Steps:
    """A call in three steps, one after another; together they do what ``call`` does.

    Attributes:
        copy_in: images -> where ``compute`` reads them, after the copy has finished.
        compute: its result -> the outputs, where they are computed.
        copy_out: its result -> the outputs in the host's memory, as `Runtime.outputs`.
    """

    copy_in: Callable[[np.ndarray], Any]
    compute: Callable[[Any], Any]
    copy_out: Callable[[Any], list[np.ndarray]]


class Runtime(Protocol):
    """One model in one runtime, for one setting, in one process.

    ``prepare`` is called once for each cell, in a process of its own. Every round creates the
    runtime anew in a fresh process and calls ``start``, ``load``, ``compile``, ``feed`` and
    ``call``, each timed apart, and ``close``. `base.RuntimeBase` implements what most runtimes
    share.

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

    def executed(self) -> Executed | None:
        """Open the files of ``prepare`` and return what the accelerated part takes of them.

        Called after ``prepare``, in its process. None if the runtime does not tell.
        """

    def profile(self, images: np.ndarray, seconds: float) -> Profile:
        """Return the measured time of each operation of the files of ``prepare``.

        Args:
            images: input of every call.
            seconds: to spend on calls, about.

        Raises:
            Unavailable: the runtime does not tell.
        """

    def in_streams(self, count: int) -> Sequence[Runtime]:
        """Return ``count`` runtimes whose ``call``s may run at the same time; called first of all.

        They share the threads of this one, and are started, loaded and compiled in their order.
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

    def steps(self) -> Steps:
        """Return a call in steps, for timing copies apart; after ``compile``.

        Raises:
            Unavailable: the runtime copies inside its call.
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
        there: distribution -> the module of it that is imported, of those that it needs on another
            device, which gets the files of ``prepare``; where there are none, it is not measured
            on one.
        files: names of the files that ``prepare`` writes into the folder; random weights may add
            to them (`artifacts.of_random_weights`).
        ships_file: ``prepare`` measures ``file_bytes``, the size of what a user would ship.
        opens: endings of converted files that it opens as they are, for example ``.tflite``.
        devices, dtypes: what it can be measured on and in.
        reference: the workload of the reference that its calls slow down with, by which they are
            divided; None if it follows none (docs/measuring.md says how that was found out).
        lowers_precision: whether the runtime itself computes the float32 model in another
            ``dtype``; otherwise it gets a model with Keras' mixed precision.
        rebuilds: whether rounds build the model again from its name, instead of reading a network
            from the files; such a runtime cannot time one that was trained or changed.
        profiles: whether it tells the time of single operations (`Runtime.profile`).
        copies_apart: whether copying in and out can be told from computing (`Runtime.steps`).
        variables: environment variables that change how it computes; those that are set are part
            of the fingerprint too. Read from runtimes of other packages; cnnbench's own are named
            in `cnnbench.environment.variables`.
    """

    create: Callable[[ModelHandle, LatencySetting, Path], Runtime]
    packages: tuple[str, ...] = ()
    install: str = ""
    there: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    ships_file: bool = False
    opens: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ("float32",)
    reference: str | None = None
    lowers_precision: bool = False
    rebuilds: bool = False
    profiles: bool = False
    copies_apart: bool = False
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

    def check_model(self, model: ModelInfo, batch_size: int) -> None:
        """Check that the runtime can open a model that is a converted file; others it converts.

        Raises:
            Unavailable: it opens no such file, or the file takes another batch.
        """
        file = model.converted_file
        if file is None:
            return
        if file.suffix.lower() not in self.opens:
            what = f"{model.label} is a {file.suffix} file, which this runtime does not open"
            raise Unavailable(what)
        if batch_size != 1:
            raise Unavailable(f"{model.label} is a file for one image at a time")

    def check_files(self, folder: Path) -> None:
        """Check that the files of ``prepare`` exist in ``folder``.

        Raises:
            JobFailed: one is missing; the message names it.
        """
        for name in self.files:
            if not artifacts.existing(folder / name).exists():
                raise JobFailed(f"the converted file {name} is missing: run again with --fresh")
