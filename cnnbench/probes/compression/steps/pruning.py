"""Magnitude pruning with the model-optimization toolkit: ``pruned-50``, ``pruned-2x4``.

Source: Zhu and Gupta, 2017, To prune, or not to prune, arXiv:1710.01878, section 3: sparsity rises
along a cubic polynomial, and the rest of the training recovers the accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

from cnnbench.errors import UserError
from cnnbench.probes.compression.steps.base import Step, amount_of
from cnnbench.probes.compression.steps.wrapping import detached, wrap_layers

if TYPE_CHECKING:
    from cnnbench.probes.compression.fine_tuning import FineTuning
    from cnnbench.probes.compression.kernels import Kernel
    from cnnbench.probes.compression.variants import Variant

_RISING = 0.7  # share of all training steps in which sparsity rises; then the masks are fixed
_UPDATES = 20  # updates of the masks while sparsity rises
_GROUP = 4
# Pruning rounds to whole weights, and a few weights are zero or not zero by chance.
_SPARSITY_SLACK = 0.02


@dataclass(frozen=True)
class Pruning(Step):
    """Set the smallest weights of every kernel to zero.

    Attributes:
        sparsity: share of zeros, between 0 and 1.
        two_of_four: two zeros in every four weights that are adjacent along the input channels.
    """

    sparsity: float
    two_of_four: bool = False

    grammar = "pruned-PERCENT or pruned-2x4"
    examples = ("pruned-50", "pruned-2x4")
    uncovered = "dense"

    @classmethod
    def read(cls, word: str) -> Self | None:
        if word == "pruned-2x4":
            return cls(0.5, two_of_four=True)
        percent = amount_of(word, "pruned")
        if percent is None:
            return None
        if not 0 < percent < 100:
            raise UserError(
                f"sparsity {percent:g} % is out of range",
                hint="more than 0 and less than 100 per cent",
            )
        return cls(percent / 100)

    def __str__(self) -> str:
        return "pruned-2x4" if self.two_of_four else f"pruned-{100 * self.sparsity:.6g}"

    def covers(self, kernel: Kernel, variant: Variant) -> bool:
        if self.two_of_four:
            return kernel.is_two_of_four
        return kernel.zeros >= (self.sparsity - _SPARSITY_SLACK) * kernel.params

    def apply(self, model: Any, variant: Variant, tuning: FineTuning) -> Any:
        import tensorflow_model_optimization as tfmot
        from tensorflow_model_optimization.python.core.sparsity.keras.prune_registry import (
            PruneRegistry,
        )

        keras = tfmot.sparsity.keras
        options = self._options(keras, tuning.steps)

        def wrap(layer: Any) -> Any:
            names = PruneRegistry._LAYERS_WEIGHTS_MAP.get(type(layer), ())
            if not names:
                tuning.skipped.note(layer, "pruning")
                return layer
            kernels = [attrgetter(name)(layer) for name in names]  # may be a path: "a.kernel"
            if self.two_of_four and not all(_has_groups(kernel) for kernel in kernels):
                tuning.skipped.note(layer, "2:4 pruning (no groups of four input channels)")
                return layer
            return keras.prune_low_magnitude(layer, **options)

        pruned = wrap_layers(model, wrap)
        if pruned is None:
            return model
        tuning.fit(pruned, "pruning", [keras.UpdatePruningStep()])
        return detached(keras.strip_pruning(pruned))

    def _options(self, keras: Any, steps: int) -> dict[str, Any]:
        """Return the arguments of ``prune_low_magnitude`` for a training of ``steps`` batches."""
        end = max(1, int(_RISING * steps))
        when = {"begin_step": 0, "end_step": end, "frequency": max(1, end // _UPDATES)}
        if self.two_of_four:
            schedule = keras.ConstantSparsity(0.5, **when)
            return {"pruning_schedule": schedule, "sparsity_m_by_n": (2, _GROUP)}
        schedule = keras.PolynomialDecay(initial_sparsity=0.0, final_sparsity=self.sparsity, **when)
        return {"pruning_schedule": schedule}


def _has_groups(kernel: Any) -> bool:
    """Return whether the toolkit can divide the input channels of a kernel into groups of four.

    It supports matrices and the kernels of two-dimensional convolutions.
    """
    return len(kernel.shape) in (2, 4) and int(kernel.shape[-2]) % _GROUP == 0
