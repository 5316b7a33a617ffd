"""Weight clustering with the model-optimization toolkit: ``clustered-16``.

Source: Han, Mao and Dally, 2016, Deep Compression, arXiv:1510.00149, section 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from cnnbench.errors import UserError
from cnnbench.probes.compression.steps.base import Step, amount_of
from cnnbench.probes.compression.steps.pruning import Pruning
from cnnbench.probes.compression.steps.wrapping import detached, wrap_layers

if TYPE_CHECKING:
    from cnnbench.probes.compression.fine_tuning import FineTuning
    from cnnbench.probes.compression.kernels import Kernel
    from cnnbench.probes.compression.variants import Variant

MOST_CLUSTERS = 256  # as many as a byte can index; more do not make a file smaller


@dataclass(frozen=True)
class Clustering(Step):
    """Replace the weights of every kernel by ``count`` shared values; pruned zeros stay zero."""

    count: int

    grammar = "clustered-N"
    examples = ("clustered-16",)
    uncovered = "unclustered"

    @classmethod
    def read(cls, word: str) -> Self | None:
        count = amount_of(word, "clustered")
        if count is None:
            return None
        if count != int(count) or not 2 <= count <= MOST_CLUSTERS:
            hint = f"a whole number from 2 to {MOST_CLUSTERS}"
            raise UserError(f"{count:g} clusters are out of range", hint=hint)
        return cls(int(count))

    def __str__(self) -> str:
        return f"clustered-{self.count}"

    def covers(self, kernel: Kernel, variant: Variant) -> bool:
        is_pruned = variant.step(Pruning) is not None
        return kernel.has_clusters(self.count + is_pruned)  # zero is one more value

    def apply(self, model: Any, variant: Variant, tuning: FineTuning) -> Any:
        import tensorflow_model_optimization as tfmot
        from tensorflow_model_optimization.python.core.clustering.keras.clustering_registry import (
            ClusteringRegistry,
        )
        from tensorflow_model_optimization.python.core.clustering.keras.experimental import (
            cluster as experimental,
        )

        keras = tfmot.clustering.keras
        options = {
            "number_of_clusters": self.count,
            "cluster_centroids_init": keras.CentroidInitialization.KMEANS_PLUS_PLUS,
            "preserve_sparsity": variant.step(Pruning) is not None,
        }

        def wrap(layer: Any) -> Any:
            names = ClusteringRegistry._LAYERS_WEIGHTS_MAP.get(type(layer), ())
            if not names:
                tuning.skipped.note(layer, "clustering")
                return layer
            if any(math.prod(getattr(layer, name).shape) <= self.count for name in names):
                tuning.skipped.note(layer, f"clustering (no more than {self.count} weights)")
                return layer
            return experimental.cluster_weights(layer, **options)

        clustered = wrap_layers(model, wrap)
        if clustered is None:
            return model
        tuning.fit(clustered, "clustering")
        return detached(keras.strip_clustering(clustered))
