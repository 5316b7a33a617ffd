"""Map the class name of a layer to its rule.

Names serve layers of Keras 2 and Keras 3 alike. Only classes that Keras itself defines are looked
up, and a subclass with its own ``call`` does not inherit the rule. Others are traced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.graph import Op
from cnnbench.analysis.layers import attention, convolution, elementwise, products
from cnnbench.analysis.layers import fields as layer_fields
from cnnbench.analysis.rule import Rule, Storage, no_work
from cnnbench.errors import UserError

INPUT, OUTPUT = frozenset({"input"}), frozenset({"output"})
BOTH = INPUT | OUTPUT

_kernel = Rule(keeps=INPUT, linear=True, weighted=True)
_conv = replace(
    _kernel,
    count=convolution.convolution,
    move=layer_fields.by_windows(convolution.conv_windows, mixes=True),
)
_transposed = replace(
    _kernel,
    count=convolution.transposed,
    move=layer_fields.by_windows(convolution.transposed_windows, mixes=True),
)
_depthwise = replace(_conv, count=convolution.depthwise)
_separable = replace(
    _conv,
    count=convolution.separable,
    keeps_inside=convolution.depthwise_elements,
    holds_inside=convolution.held_between,
)
_average_pool = Rule(convolution.pooling, layer_fields.by_windows(convolution.conv_windows))
_max_pool = replace(_average_pool, keeps=BOTH)
_global_average = Rule(convolution.global_pooling, layer_fields.pooled)
_global_max = replace(_global_average, keeps=BOTH)
_adaptive_average = Rule(convolution.adaptive_pooling, layer_fields.pooled)
_adaptive_max = replace(_adaptive_average, keeps=BOTH)
_resize = Rule(convolution.up_sampling, layer_fields.by_windows(convolution.resize_windows))
_shift = Rule(no_work, layer_fields.by_windows(convolution.shift_windows))

_element = Rule(elementwise.unary, layer_fields.pointwise, storage=Storage.IN_PLACE)
_batch_norm = replace(_element, count=elementwise.batch_norm, keeps=INPUT, linear=True)
_layer_norm = replace(
    _element,
    count=elementwise.layer_norm,
    move=layer_fields.mixing(layer_fields.own_axes),
    keeps=INPUT,
    keeps_inside=elementwise.output_elements,
)
_by_output = replace(_element, keeps=OUTPUT)
_by_input = replace(_element, keeps=INPUT)
_softmax = replace(_by_output, move=layer_fields.mixing(layer_fields.own_axes))
_composed = replace(_by_input, storage=Storage.NEW)  # several kernels, as x · sigmoid(x)
_activation = replace(_element, count=elementwise.activation)
_free = Rule(move=layer_fields.identity, storage=Storage.ALIAS)
_noise = replace(_free, training_only=True)
_add = replace(_element, count=elementwise.merge)
_multiply = replace(_add, keeps=INPUT)
_scale = _by_input  # a weight a channel
_binary = replace(_element, count=elementwise.binary)
_product = replace(_binary, keeps=INPUT)
_reshaping = Rule(move=layer_fields.reshape, storage=Storage.ALIAS)
_recurrent = Rule(products.recurrent, layer_fields.recurrent, keeps=BOTH, weighted=True)
_attention = Rule(
    attention.plain,
    layer_fields.attention,
    keeps=INPUT,
    keeps_inside=attention.needed_by_plain,
    holds_inside=attention.held_by_plain,
)
_conv_lstm = Rule(products.conv_lstm, keeps=BOTH, weighted=True)


def _projected(read: Callable[[Op], attention.Projected]) -> Rule:
    """Return the rule of attention with projections; ``read`` extracts them from a call."""
    return Rule(
        lambda op: read(op).work(),
        layer_fields.attention,
        keeps=INPUT,
        keeps_inside=lambda op: read(op).needed(),
        holds_inside=lambda op: read(op).held(),
        weighted=True,
    )


def _ranked(name: str, rule: Rule) -> dict[str, Rule]:
    """Return the rule for one, two and three spatial axes: ``Conv{}D``."""
    return {name.format(rank): rule for rank in (1, 2, 3)}


def _names(text: str) -> list[str]:
    return text.split()


LAYERS: Mapping[str, Rule] = MappingProxyType(
    {
        **_ranked("Conv{}D", _conv),
        **_ranked("Conv{}DTranspose", _transposed),
        **_ranked("DepthwiseConv{}D", _depthwise),
        **_ranked("SeparableConv{}D", _separable),
        **_ranked("MaxPooling{}D", _max_pool),
        **_ranked("AveragePooling{}D", _average_pool),
        **_ranked("GlobalMaxPooling{}D", _global_max),
        **_ranked("GlobalAveragePooling{}D", _global_average),
        **_ranked("AdaptiveMaxPooling{}D", _adaptive_max),
        **_ranked("AdaptiveAveragePooling{}D", _adaptive_average),
        **_ranked("UpSampling{}D", _resize),
        **_ranked("ZeroPadding{}D", _shift),
        **_ranked("Cropping{}D", _shift),
        **_ranked("ConvLSTM{}D", _conv_lstm),
        **_ranked("SpatialDropout{}D", _noise),
        "Dense": replace(_kernel, count=products.dense, move=layer_fields.dense),
        "EinsumDense": replace(
            _kernel, count=products.einsum_dense, move=layer_fields.einsum_dense
        ),
        "Dot": Rule(products.dot, layer_fields.dot, keeps=INPUT),
        "MultiHeadAttention": _projected(attention.multi_head),
        "GroupedQueryAttention": _projected(attention.grouped_query),
        "Attention": _attention,
        "AdditiveAttention": _attention,
        "SimpleRNN": _recurrent,
        "LSTM": _recurrent,
        "GRU": _recurrent,
        "RNN": _recurrent,
        "Bidirectional": replace(_recurrent, count=products.bidirectional),
        "TimeDistributed": Rule(
            products.time_distributed, layer_fields.time_distributed, keeps=BOTH, weighted=True
        ),
        "Embedding": Rule(move=layer_fields.embedding, keeps=INPUT, weighted=True),
        "BatchNormalization": _batch_norm,
        "SyncBatchNormalization": _batch_norm,
        "LayerNormalization": _layer_norm,
        "GroupNormalization": replace(
            _layer_norm, move=layer_fields.mixing(layer_fields.all_but_batch)
        ),
        "RMSNormalization": _layer_norm,
        "UnitNormalization": _layer_norm,
        "Normalization": replace(_element, count=elementwise.rescaling),
        "Rescaling": replace(_element, count=elementwise.rescaling),
        "ReLU": _by_output,
        "ELU": _by_output,
        "Softmax": _softmax,
        "LeakyReLU": _by_input,
        "PReLU": _by_input,
        "ThresholdedReLU": _by_input,
        "Activation": _activation,
        "Masking": Rule(
            elementwise.masking, layer_fields.mixing(layer_fields.own_axes), keeps=INPUT
        ),
        "Add": _add,
        "Subtract": _add,
        "Multiply": _multiply,
        "Maximum": _multiply,
        "Minimum": _multiply,
        "Average": replace(_element, count=elementwise.average),
        "LayerScale": _scale,
        "CustomScaleLayer": replace(_element, count=elementwise.scaled_sum),
        "Concatenate": Rule(move=layer_fields.concatenate),
        "Permute": Rule(move=layer_fields.permute),
        "RepeatVector": Rule(move=layer_fields.repeat_vector),
        "Flatten": _reshaping,
        "Reshape": _reshaping,
        **dict.fromkeys(_names("Dropout AlphaDropout GaussianDropout GaussianNoise"), _noise),
        **dict.fromkeys(
            _names(
                "InputLayer Identity ActivityRegularization RandomFlip RandomRotation "
                "RandomZoom "
                "RandomTranslation RandomContrast RandomBrightness RandomHeight RandomWidth "
                "RandomGrayscale RandomHue RandomSaturation RandomSharpness RandomShear "
                "RandomPosterization RandomColorJitter RandomColorDegeneration RandomErasing "
                "RandomGaussianBlur RandomInvert RandomPerspective RandomElasticTransform "
                "MixUp CutMix RandAugment AugMix"
            ),
            _free,
        ),
    }
)

# Operations of ``keras.ops`` that conventions count by their kind; others are traced.
OPERATIONS: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(_names("Add Subtract Maximum Minimum"), _binary),
        **dict.fromkeys(_names("Multiply Divide TrueDivide Power"), _product),
        **dict.fromkeys(_names("Relu Relu6 Sigmoid Tanh Exp Sqrt Rsqrt Elu"), _by_output),
        **dict.fromkeys(_names("Softmax LogSoftmax"), _softmax),
        **dict.fromkeys(
            _names("HardSigmoid LeakyRelu Softplus Softsign Selu Abs Negative Square Log Clip"),
            _by_input,
        ),
        **dict.fromkeys(_names("Silu Gelu HardSilu Mish"), _composed),
        **dict.fromkeys(_names("Identity StopGradient ConvertToTensor"), _free),
    }
)


# Methods that a subclass may override without changing the computation of its parent.
HARMLESS = frozenset(
    _names(
        "build build_from_config get_build_config get_config from_config compute_mask "
        "compute_output_shape compute_output_spec save_own_variables load_own_variables "
        "save_assets load_assets"
    )
)


_ADDED: dict[type, Rule] = {}


def add_rule(layer_class: type, rule: Rule) -> None:
    """Count a custom layer by a rule instead of tracing its operations.

    Call it where the layer is defined, so that every process that builds the layer has the rule.

    Args:
        layer_class: the class of the layer; its subclasses follow the rule too if they do not
            override its methods.
        rule: its analysis; without ``move`` the receptive field is a lower bound.

    Raises:
        UserError: a class of Keras itself.

    Example:
        >>> import keras
        >>> from cnnbench.analysis import Rule, Work, add_rule
        >>> class Scale(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return 2 * inputs
        >>> add_rule(Scale, Rule(count=lambda op: Work(elementwise=op.output.elements)))
    """
    if keras_api.comes_with_keras(layer_class):
        raise UserError(
            f"{layer_class.__name__} is a layer of Keras, which has a rule already",
            hint="add a rule for a subclass",
        )
    _ADDED[layer_class] = replace(rule, final=True)


def find_rule(layer: Any) -> Rule | None:
    """Return the rule for a layer or operation, or None if there is none.

    A class derived from a Keras layer counts as that layer as long as it overrides nothing that
    the parent computes with: neither ``call`` nor what that calls (``convolution_op``).
    """
    own: set[str] = set()
    for cls in type(layer).__mro__:
        if cls in _ADDED or keras_api.comes_with_keras(cls):
            if any(hasattr(cls, name) for name in own):
                return None
            if cls in _ADDED:
                return _ADDED[cls]
            table = LAYERS if hasattr(layer, "weights") else OPERATIONS
            rule = table.get(cls.__name__)
            return _free if rule is _activation and not convolution.is_active(layer) else rule
        own |= {name for name in vars(cls) if name[:2] != "__"} - HARMLESS
    return None


def has_own_arithmetic(layer: Any) -> bool:
    """Return whether a layer differs from its rule because it is adapted (LoRA) or quantised."""
    return bool(getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None))
