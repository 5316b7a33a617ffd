"""From the trained network to the one that is converted: prune, cluster, train for int8."""

from __future__ import annotations

from typing import Any

from cnnbench.core.settings.variants import Variant
from cnnbench.probes.compression import clustering, pruning, quantisation
from cnnbench.probes.compression.fine_tuning import FineTuning, freeze_statistics
from cnnbench.probes.compression.layer_by_layer import Left


def treated(model: Any, variant: Variant, tuning: FineTuning, left: Left) -> Any:
    """The steps of ``variant`` that train, one after another, each on what the last one gave.

    Args:
        model: a fresh Keras 2 copy of the trained network; it is used up.
        variant: which steps.
        tuning: how each of them is trained.
        left: takes note of the layers that a step does not know.

    Raises:
        Unavailable: the toolkit does not take the network.
        JobFailed: the training diverged.
    """
    freeze_statistics(model)
    if variant.is_pruned:
        model = pruning.prune(model, variant, tuning, left)
    if variant.clusters is not None:
        model = clustering.cluster(model, variant, tuning, left)
    if variant.quantisation == "qat-int8":
        model = quantisation.aware(model, variant, tuning, left)
    return model
