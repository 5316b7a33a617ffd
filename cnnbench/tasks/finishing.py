"""The part of a task's interface for postprocessing inside an exported network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from cnnbench.errors import JobFailed


class Finishing(Protocol):
    """Postprocessing of outputs, inside the exported file or outside it; by default outside."""

    @property
    def postprocessing(self) -> str:
        """The name of the postprocessing, for headings: ``decode``."""
        return "decode"

    @property
    def answer(self) -> str:
        """A noun for the result of the postprocessing, for headings: ``classes``, ``boxes``."""
        return "classes"

    def aligned(
        self, outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Return a network's outputs in the order of the expected ones, to compare two runtimes.

        By default they are returned as they are: what is at a place has a meaning of its own.

        Args:
            outputs, expected: of two copies of a network, in the order of ``tf.nest.flatten``.
        """
        return list(outputs)

    @property
    def finishes(self) -> bool:
        """True if `finished` can put the postprocessing inside a network.

        The time of such postprocessing depends on the outputs, so it is representative only with
        trained weights.
        """
        return False

    def finished(self, network: Any, options: Any = None) -> Any:
        """Return a ``keras.Model`` with the postprocessing inside, for exporting both as one file.

        Args:
            network: a ``keras.Model`` with the outputs that `Task.paths` selects.
            options: an instance of `Task.options`; None for the defaults.

        Raises:
            JobFailed: its outputs do not fit the task.
        """
        raise JobFailed("this task has no postprocessing to put inside a network")

    def finished_difference(
        self, outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
    ) -> tuple[float, float]:
        """Return the largest difference between the answers of two copies of a finished network.

        Args:
            outputs, expected: their outputs, in the order of ``tf.nest.flatten``.

        Returns:
            The difference, and the scale that it is relative to.
        """
        raise JobFailed("this task has no postprocessing to put inside a network")
