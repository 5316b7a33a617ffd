"""A runtime without a library, and a registry to inject it by.

It implements the protocol on its own, without the base class, and logs what it is asked to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnbench.models.handle import ModelHandle
from cnnbench.plugins import Registry
from cnnbench.probes.latency import calibrated_model
from cnnbench.probes.latency.runtimes import Runtime, RuntimeInfo
from cnnbench.probes.latency.runtimes.executed import (
    Executed,
    Profile,
    RanOperation,
    TimedOperation,
)
from cnnbench.probes.latency.runtimes.runtime import Steps
from cnnbench.probes.latency.settings import LatencySetting

FILE = "fake.npz"
LOG = "calls.txt"
TOLERANCE = 0.25


class Fake:
    """Answers every input with Keras' outputs plus ``error``."""

    error = 0.0

    def __init__(self, model: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        self.setting, self.threads, self._folder = setting, 1, folder

    def _log(self, call: str) -> None:
        with (self._folder / LOG).open("a") as log:
            log.write(f"{call}\n")

    def check(self) -> None:
        self._log("check")

    def prepare(self, keras_model: Any) -> dict[str, float]:
        self._log("prepare")
        outputs = calibrated_model.read_expected(self._folder).outputs
        np.savez(self._folder / FILE, outputs[0])
        return {"convert_s": 0.25}

    def executed(self) -> Executed:
        taken, left = RanOperation("CONV", True, 75, "INT8"), RanOperation("SORT", False, 0, "INT8")
        return Executed("fake", (taken, taken, left, RanOperation("MUL", False, 50)), partitions=2)

    def profile(self, images: np.ndarray, seconds: float) -> Profile:
        operations = (
            TimedOperation("first", "CONV", 0.001, 1000, "fake"),
            TimedOperation("second", "SORT", 0.003, None, "fake"),
        )
        return Profile(operations, 0.004, "Times are made up.", resolution_s=1e-5)

    def in_streams(self, count: int) -> Sequence[Runtime]:
        return [self] * count

    def start(self) -> None:
        self._log("start")

    def load(self) -> None:
        self._log("load")
        with np.load(self._folder / FILE) as archive:
            self._output = archive["arr_0"] + self.error

    def compile(self, images: np.ndarray) -> None:
        self._log("compile")

    def feed(self, images: np.ndarray) -> Any:
        return images[0]

    def call(self, fed: Any) -> Any:
        return {"answer": self._output}

    def outputs(self, result: Any) -> list[np.ndarray]:
        return [result["answer"]]

    def steps(self) -> Steps:
        return Steps(self.feed, self.call, self.outputs)

    def arithmetic(self) -> str:
        return "int8"

    def tolerance(self) -> float:
        return TOLERANCE

    def threads_in_use(self) -> int | None:
        return None

    def close(self) -> None:
        self._log("close")


class Off(Fake):
    """Differs from Keras by more than it tolerates."""

    error = 0.5


FAKE = RuntimeInfo(create=Fake, packages=("numpy",), files=(FILE,), profiles=True)
FAKES: Registry[RuntimeInfo] = Registry(
    "tests.runtimes",
    "runtime",
    {"fake": "tests.probes.fake_runtime:FAKE"},
)
_: type[Runtime] = Fake
