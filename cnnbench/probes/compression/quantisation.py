"""Quantisation-aware training with the toolkit, layer by layer.

Source: Jacob et al., 2018, Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, arXiv:1712.05877, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnbench.probes.accuracy.training import network
from cnnbench.probes.compression.fine_tuning import FineTuning
from cnnbench.probes.compression.layer_by_layer import Left, cloned, refusals
from cnnbench.probes.compression.variants import Variant

# They have no weights and the toolkit has no rule for them; without a range for their output the
# convolution behind them would take floats.
_RANGE_ONLY = ("Multiply", "Subtract", "Average", "Maximum", "Minimum")
# Their output has the scale of their input; with a range of its own the converter refuses them.
_SAME_SCALE = ("AveragePooling1D", "AveragePooling2D")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D")
_ACTIVATIONS = ("relu", "swish", "gelu", "relu6", "linear", "softmax", "sigmoid", "tanh")


def aware(model: Any, variant: Variant, tuning: FineTuning, left: Left) -> Any:
    """A copy of ``model`` that was fine-tuned as if it computed in int8.

    What was pruned stays zero, what was clustered stays clustered.

    Raises:
        Unavailable: the toolkit does not take the network.
    """
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registry,
    )

    keras = tfmot.quantization.keras
    known = registry.Default8BitQuantizeRegistry()
    scheme = _scheme(variant, known)
    after_convolution = _batchnorms_after_convolutions(model)
    output_range = _output_range(keras)

    def annotated(layer: Any) -> Any:
        kind = type(layer).__name__
        if kind in _SAME_SCALE:
            return layer
        if kind in _RANGE_ONLY:
            return keras.quantize_annotate_layer(layer, output_range())
        if layer.name in after_convolution or (known.supports(layer) and _is_known(layer)):
            return keras.quantize_annotate_layer(layer)
        left.note(layer, "quantisation")
        return layer

    with keras.quantize_scope({output_range.__name__: output_range}):
        marked = cloned(model, annotated)
        if marked is None:
            return model
        with refusals(), _clusters_of_whole_kernels():
            fake = keras.quantize_apply(marked, scheme)
    tuning.fit(fake, "quantisation-aware training")
    return fake


def _scheme(variant: Variant, known: Any) -> Any:
    """How weights are quantised so that what earlier steps did to them survives.

    Args:
        known: the registry of what can be quantised. That of a combination says yes to every layer
            without weights, and then fails at one that this does not know (a Normalization).
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

    if variant.clusters is not None:
        scheme = clusters.Default8BitClusterPreserveQuantizeScheme(variant.is_pruned)
    elif variant.is_pruned:
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
    """Clusters are looked for where `clustering` made them: in the kernel as a whole.

    The toolkit takes a kernel whose every channel holds all of its values for one that was
    clustered channel by channel, and unrolls a loop over the channels: for the 26,000 of ResNet50
    the graph outgrows 12 GiB.
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
    """Names of those that the toolkit folds: directly after a convolution, and its only reader.

    Behind a convolution with an activation of its own it folds none.
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
    """Whether the toolkit has a rule for the activation in ``layer``, if it is one."""
    if type(layer).__name__ != "Activation":
        return True
    return getattr(layer.activation, "__name__", "") in _ACTIVATIONS


def _output_range(keras: Any) -> Any:
    class OutputRange(keras.QuantizeConfig):  # type: ignore[misc]
        """Only the range of the layer's output is learned."""

        def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
            return []

        def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
            return []

        def set_quantize_weights(self, layer: Any, quantize_weights: Any) -> None:
            """It has none."""

        def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
            """It has none."""

        def get_output_quantizers(self, layer: Any) -> list[Any]:
            return [
                keras.quantizers.MovingAverageQuantizer(
                    num_bits=8, per_axis=False, symmetric=False, narrow_range=False
                )
            ]

        def get_config(self) -> dict[str, Any]:
            return {}

    return OutputRange
