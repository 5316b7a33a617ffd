"""The parts that most runtimes share: a base class, tolerances, and checks of converted files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cnnbench.environment import usable_cores
from cnnbench.errors import JobFailed, Unavailable
from cnnbench.probes import artifacts

if TYPE_CHECKING:
    from cnnbench.models.handle import ModelHandle
    from cnnbench.probes.latency.runtimes.executed import Executed, Profile
    from cnnbench.probes.latency.runtimes.runtime import Steps
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


class RuntimeBase:
    """The parts of a `Runtime` that most runtimes share.

    Attributes:
        model, setting, folder: as given to `RuntimeInfo.create`.
        threads: number of threads to compute on.
        shape: of the input, with the batch axis.
        has_random_weights: nothing has trained the model that ``prepare`` gets.
    """

    has_random_weights = False

    def __init__(self, model: ModelHandle, setting: LatencySetting, folder: Path) -> None:
        self.model, self.setting, self.folder = model, setting, folder
        self.threads = usable_cores() if setting.threads == "all" else int(setting.threads)
        self.shape = (setting.batch_size, *model.input_shape)

    def file_to_write(self, name: str) -> Path:
        """Return the path of a file of ``prepare``; random weights show in its name."""
        file = self.folder / name
        return artifacts.of_random_weights(file) if self.has_random_weights else file

    def file_to_read(self, name: str) -> Path:
        """Return the path of a file that ``prepare`` wrote."""
        return artifacts.existing(self.folder / name)

    def check(self) -> None:
        """Accept every setting."""

    def executed(self) -> Executed | None:
        """Return None: unknown."""
        return None

    def profile(self, images: np.ndarray, seconds: float) -> Profile:
        """Raise `Unavailable`: unknown."""
        raise Unavailable(f"{self.setting.runtime} does not tell the time of single operations")

    def in_streams(self, count: int) -> Sequence[Self]:
        """Return copies that divide the threads evenly, one at least each; itself if it is one."""
        if count == 1:
            return [self]
        setting = self.setting.model_copy(update={"threads": max(1, self.threads // count)})
        return [type(self)(self.model, setting, self.folder) for _ in range(count)]

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

    def steps(self) -> Steps:
        """Raise `Unavailable`: unknown."""
        raise Unavailable(f"{self.setting.runtime} copies inputs and outputs inside its call")

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
