"""The part of a task's interface that puts its postprocessing inside an exported network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from cnnbench.errors import JobFailed


class Finishing(Protocol):
    """Postprocessing of a task's outputs, inside the file or beside it; by default only beside."""

    @property
    def postprocessing(self) -> str:
        """A name of the work between outputs and predictions, for headings: ``decode``."""
        return "decode"

    @property
    def answer(self) -> str:
        """A noun for the result of the postprocessing, for headings: ``classes``, ``boxes``."""
        return "classes"

    @property
    def finishes(self) -> bool:
        """True if `finished` puts the postprocessing inside a network.

        Its time then depends on the outputs, so that only trained weights give a typical one.
        """
        return False

    def finished(self, network: Any, options: Any = None) -> Any:
        """Return a ``keras.Model`` with the postprocessing inside, for exporting both as one file.

        Args:
            network: a ``keras.Model`` with the outputs that `Task.paths` selects.
            options: an instance of `Task.options`; None for the defaults.

        Raises:
            JobFailed: its outputs cannot do the task.
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
