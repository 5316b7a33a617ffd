"""Magnitude pruning with the toolkit, layer by layer.

Source: Zhu and Gupta, 2017, To prune, or not to prune, arXiv:1710.01878, section 3: the sparsity
rises with a cubic polynomial, then the rest of the training mends what was broken.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from cnnbench.probes.compression.fine_tuning import FineTuning
from cnnbench.probes.compression.layer_by_layer import Left, cloned, fresh
from cnnbench.probes.compression.variants import Variant

_RISING = 0.7  # of all steps; then the masks stay as they are
_UPDATES = 20  # of the masks while the sparsity rises
_GROUP = 4


def prune(model: Any, variant: Variant, tuning: FineTuning, left: Left) -> Any:
    """A pruned copy of ``model``, fine-tuned; ``left`` gets the layers that stay dense."""
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.sparsity.keras.prune_registry import (
        PruneRegistry,
    )

    keras = tfmot.sparsity.keras
    rising = max(1, int(_RISING * tuning.steps))
    every = max(1, rising // _UPDATES)
    if variant.two_of_four:
        schedule = keras.ConstantSparsity(0.5, begin_step=0, end_step=rising, frequency=every)
        options = {"pruning_schedule": schedule, "sparsity_m_by_n": (2, _GROUP)}
    else:
        schedule = keras.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=variant.sparsity,
            begin_step=0,
            end_step=rising,
            frequency=every,
        )
        options = {"pruning_schedule": schedule}

    def wrapped(layer: Any) -> Any:
        names = PruneRegistry._LAYERS_WEIGHTS_MAP.get(type(layer), ())
        if not names:
            left.note(layer, "pruning")
            return layer
        kernels = [attrgetter(name)(layer) for name in names]  # a name may be a path: "a.kernel"
        if variant.two_of_four and not all(_has_groups(kernel) for kernel in kernels):
            left.note(layer, "2:4 pruning (no groups of four input channels)")
            return layer
        return keras.prune_low_magnitude(layer, **options)

    pruned = cloned(model, wrapped)
    if pruned is None:
        return model
    tuning.fit(pruned, "pruning", [keras.UpdatePruningStep()])
    return fresh(keras.strip_pruning(pruned))


def _has_groups(kernel: Any) -> bool:
    """Whether the toolkit can cut the input channels of a kernel into groups of four.

    It takes matrices and the kernels of two-dimensional convolutions.
    """
    return len(kernel.shape) in (2, 4) and int(kernel.shape[-2]) % _GROUP == 0
