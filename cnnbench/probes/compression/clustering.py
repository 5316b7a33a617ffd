"""Weight clustering with the toolkit, layer by layer: a few different values a kernel.

Source: Han, Mao and Dally, 2016, Deep Compression, arXiv:1510.00149, section 3.
"""

from __future__ import annotations

import math
from typing import Any

from cnnbench.probes.compression.fine_tuning import FineTuning
from cnnbench.probes.compression.layer_by_layer import Left, cloned, fresh
from cnnbench.probes.compression.variants import Variant


def cluster(model: Any, variant: Variant, tuning: FineTuning, left: Left) -> Any:
    """A clustered copy of ``model``, fine-tuned; what was pruned before stays zero."""
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.clustering.keras.clustering_registry import (
        ClusteringRegistry,
    )
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import (
        cluster as experimental,
    )

    keras = tfmot.clustering.keras
    count = variant.clusters or 0
    options = {
        "number_of_clusters": count,
        "cluster_centroids_init": keras.CentroidInitialization.KMEANS_PLUS_PLUS,
        "preserve_sparsity": variant.is_pruned,
    }

    def wrapped(layer: Any) -> Any:
        names = ClusteringRegistry._LAYERS_WEIGHTS_MAP.get(type(layer), ())
        if not names:
            left.note(layer, "clustering")
            return layer
        if any(math.prod(getattr(layer, name).shape) <= count for name in names):
            left.note(layer, f"clustering (no more than {count} weights)")
            return layer
        return experimental.cluster_weights(layer, **options)

    clustered = cloned(model, wrapped)
    if clustered is None:
        return model
    tuning.fit(clustered, "clustering")
    return fresh(keras.strip_clustering(clustered))
