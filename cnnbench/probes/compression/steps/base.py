"""The interface of a compression step."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from cnnbench.probes.compression.fine_tuning import FineTuning
    from cnnbench.probes.compression.kernels import Kernel
    from cnnbench.probes.compression.variants import Variant

# Yields images for the ranges of int8 activations, each in a list of one batch of one image.
Representative = Callable[[], Iterator[list[np.ndarray]]]


class Step(ABC):
    """One step of a variant, a frozen dataclass; ``str(step)`` is its part of the variant's name.

    A step works on the Keras model (`apply`, if it fine-tunes), on the converter (`configure`), or
    on both. Modules of steps are light: they import TensorFlow only when they are applied.

    Attributes:
        grammar: how the step is written, for messages.
        examples: words that `read` accepts.
        uncovered: adjective for weights that the step did not reach.
        gives_float_model: the result of `apply` is a plain float model, which other variants that
            begin with the same steps start from.
    """

    grammar: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]
    uncovered: ClassVar[str]
    gives_float_model: ClassVar[bool] = True

    @property
    def fine_tunes(self) -> bool:
        """True if `apply` trains the model further, with the model-optimization toolkit."""
        return True

    @property
    def needs_representative(self) -> bool:
        """True if `configure` reads representative images."""
        return False

    @property
    def computes_in_int8(self) -> bool:
        """True if activations are int8 as well, so that a file can do without floating point."""
        return False

    @classmethod
    @abstractmethod
    def read(cls, word: str) -> Self | None:
        """Return the step that ``word`` names, in lower case, or None if it names another.

        Raises:
            UserError: the word names this step with an amount out of range.
        """

    @abstractmethod
    def __str__(self) -> str:
        """Return the canonical word: ``pruned-50``."""

    @abstractmethod
    def covers(self, kernel: Kernel, variant: Variant) -> bool:
        """Return whether a kernel of the converted file is what this step of ``variant`` makes."""

    def apply(self, model: Any, variant: Variant, tuning: FineTuning) -> Any:
        """Return the compressed and fine-tuned model; ``model`` is used up.

        Args:
            model: a Keras 2 model, the result of the variant's earlier steps.
            variant: the earlier steps and this one.
            tuning: how to fine-tune; its ``skipped`` collects the layers that the step leaves
                unchanged.

        Raises:
            Unavailable: the toolkit does not support the model.
            JobFailed: the training diverged.
        """
        return model

    def configure(self, converter: Any, representative: Representative) -> None:  # noqa: B027
        """Set the options of a ``tf.lite.TFLiteConverter`` for this step."""


_NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,6})?")


def amount_of(word: str, head: str) -> float | None:
    """Return the number in ``head-NUMBER``, or None if ``word`` does not have that form."""
    found, _, amount = word.partition("-")
    return float(amount) if found == head and _NUMBER.fullmatch(amount) else None
