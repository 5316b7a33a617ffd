"""Quantisation-aware training with the model-optimization toolkit, layer by layer.

Source: Jacob et al., 2018, Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression.fine_tuning import FineTuning
from cnnbench.probes.compression.steps.clustering import Clustering
from cnnbench.probes.compression.steps.pruning import Pruning
from cnnbench.probes.compression.steps.wrapping import unsupported, wrap_layers

if TYPE_CHECKING:
    from cnnbench.probes.compression.variants import Variant

# Layers without weights for which the toolkit has no rule. Without a range for their output, the
# next convolution would take float input.
_RANGE_ONLY = ("Multiply", "Subtract", "Average", "Maximum", "Minimum")
# Layers whose output has the scale of their input; the converter rejects a separate range.
_SAME_SCALE = ("AveragePooling1D", "AveragePooling2D")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")
_ACTIVATIONS = ("relu", "swish", "gelu", "relu6", "linear", "softmax", "sigmoid", "tanh")


def train(model: Any, variant: Variant, tuning: FineTuning) -> Any:
    """Return a copy of ``model`` that was fine-tuned with simulated int8 arithmetic.

    Pruned weights stay zero, clustered weights stay clustered.

    Raises:
        Unavailable: the toolkit does not support the model.
        JobFailed: the training diverged.
    """
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs as configs,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registry,
    )

    keras = tfmot.quantization.keras
    known = registry.Default8BitQuantizeRegistry()
    scheme = _scheme(variant, known)
    after_convolution = _batchnorms_after_convolutions(model)
    output_range = configs.Default8BitOutputQuantizeConfig

    def annotated(layer: Any) -> Any:
        kind = type(layer).__name__
        if kind in _SAME_SCALE:
            return layer
        if kind in _RANGE_ONLY:
            return keras.quantize_annotate_layer(layer, output_range())
        if layer.name in after_convolution or (known.supports(layer) and _is_known(layer)):
            return keras.quantize_annotate_layer(layer)
        tuning.skipped.note(layer, "quantisation")
        return layer

    with keras.quantize_scope({output_range.__name__: output_range}):
        marked = wrap_layers(model, annotated)
        if marked is None:
            return model
        with unsupported(), _clusters_of_whole_kernels():
            fake = keras.quantize_apply(marked, scheme)
    tuning.fit(fake, "quantisation-aware training")
    return fake


def _scheme(variant: Variant, known: Any) -> Any:
    """Return the toolkit's quantisation scheme that preserves the result of the earlier steps.

    Args:
        known: the registry of layers that can be quantised. The registries of the preserving
            schemes accept every layer without weights, and then fail at those that are not in this
            one (a Normalization).
    """
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (  # noqa: E501
        default_8bit_cluster_preserve_quantize_scheme as clusters,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (  # noqa: E501
        default_8bit_prune_preserve_quantize_scheme as zeros,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_scheme as plain,
    )

    is_pruned = variant.step(Pruning) is not None
    if variant.step(Clustering) is not None:
        scheme = clusters.Default8BitClusterPreserveQuantizeScheme(is_pruned)
    elif is_pruned:
        scheme = zeros.Default8BitPrunePreserveQuantizeScheme()
    else:
        return plain.Default8BitQuantizeScheme()
    registry = scheme.get_quantize_registry()
    supports = registry.supports
    registry.supports = lambda layer: supports(layer) and known.supports(layer)
    scheme.get_quantize_registry = lambda: registry
    return scheme


@contextmanager
def _clusters_of_whole_kernels() -> Iterator[None]:
    """Make the toolkit look for clusters in a kernel as a whole, as `Clustering` makes them.

    It would take a kernel whose every channel holds all of its values for one that was clustered
    channel by channel, and unroll a loop over channels: for the 26,000 channels of ResNet50 the
    graph needs more than 12 GiB.
    """
    import tensorflow as tf
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (  # noqa: E501
        cluster_preserve_quantize_registry as registry,
    )

    def of_whole(layer: Any, weight: Any, data_format: Any) -> tuple[Any, Any, Any, bool]:
        centroids, index = registry.get_unique(weight)
        return centroids, tf.size(centroids), index, False

    by_channel, registry.get_centroids = registry.get_centroids, of_whole
    try:
        yield
    finally:
        registry.get_centroids = by_channel


def _batchnorms_after_convolutions(model: Any) -> set[str]:
    """Return the names of the BatchNormalization layers that the toolkit folds.

    Those are the only consumer of a convolution that has no activation of its own.
    """
    found = set()
    for layer in model.layers:
        if not network.is_batchnorm(layer):
            continue
        before = [node.inbound_layers for node in layer.inbound_nodes]
        if len(before) == 1 and not isinstance(before[0], list | tuple):
            source = before[0]
            is_linear = getattr(getattr(source, "activation", None), "__name__", "") == "linear"
            is_convolution = type(source).__name__ in _CONVOLUTIONS and is_linear
            if is_convolution and len(source.outbound_nodes) == 1:
                found.add(layer.name)
    return found


def _is_known(layer: Any) -> bool:
    """Return whether the toolkit has a rule for ``layer``, if it is an activation layer."""
    if type(layer).__name__ != "Activation":
        return True
    return getattr(layer.activation, "__name__", "") in _ACTIVATIONS
