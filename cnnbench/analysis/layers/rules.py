"""Map the class name of a layer to its rule.

Names serve layers of Keras 2 and Keras 3 alike. Only classes that Keras itself defines are looked
up, and a subclass with its own ``call`` does not inherit the rule. Others are traced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from cnnbench.analysis import keras_api
from cnnbench.analysis.layers import attention, elementwise, fields, products
from cnnbench.analysis.layers import convolution as conv
from cnnbench.analysis.rule import INPUT, OUTPUT, Rule, Storage, names, no_work
from cnnbench.errors import UserError

BOTH = INPUT | OUTPUT

_kernel = Rule(keeps=INPUT, linear=True, weighted=True)
_conv = replace(
    _kernel, count=conv.convolution, move=fields.by_windows(conv.conv_windows, mixes=True)
)
_transposed = replace(
    _kernel, count=conv.transposed, move=fields.by_windows(conv.transposed_windows, mixes=True)
)
_separable = replace(
    _conv,
    count=conv.separable,
    keeps_inside=conv.depthwise_elements,
    holds_inside=conv.held_between,
)
_average_pool = Rule(conv.pooling, fields.by_windows(conv.conv_windows))
_global_average = Rule(conv.global_pooling, fields.pooled)
_adaptive_average = Rule(conv.adaptive_pooling, fields.pooled)
_shift = Rule(no_work, fields.by_windows(conv.shift_windows))
_free = Rule(move=fields.identity, storage=Storage.ALIAS)
_noise = replace(_free, training_only=True)

_element = Rule(elementwise.each_output(1), fields.pointwise, storage=Storage.IN_PLACE)
_by_output = replace(_element, keeps=OUTPUT)
_by_input = replace(_element, keeps=INPUT)
_composed = replace(_by_input, storage=Storage.NEW)  # several kernels, as x · sigmoid(x)
_activation = replace(_element, count=elementwise.activation)
_softmax = replace(_by_output, move=fields.mixing(fields.own_axes))
_batch_norm = replace(_by_input, count=elementwise.each_output(1, "batch_norm"), linear=True)
_layer_norm = replace(
    _by_input,
    count=elementwise.each_output(1, "layer_norm"),
    move=fields.mixing(fields.own_axes),
    keeps_inside=elementwise.output_elements,
)
_rescaling = replace(_element, count=elementwise.each_output(2))
_add = replace(_element, count=elementwise.merge)
_multiply = replace(_add, keeps=INPUT)
_reshaping = Rule(move=fields.reshape, storage=Storage.ALIAS)
_recurrent = Rule(products.recurrent, fields.recurrent, keeps=BOTH, weighted=True)
_attention = Rule(
    attention.plain,
    fields.attention,
    keeps=INPUT,
    keeps_inside=attention.needed_by_plain,
    holds_inside=attention.held_by_plain,
)
_projected = Rule(
    lambda op: attention.projected(op).work(),
    fields.attention,
    keeps=INPUT,
    keeps_inside=lambda op: attention.projected(op).needed(),
    holds_inside=lambda op: attention.projected(op).held(),
    weighted=True,
)

_OF_EACH_RANK: Mapping[str, Rule] = {
    "Conv{}D": _conv,
    "Conv{}DTranspose": _transposed,
    "DepthwiseConv{}D": replace(_conv, count=conv.depthwise),
    "SeparableConv{}D": _separable,
    "MaxPooling{}D": replace(_average_pool, keeps=BOTH),
    "AveragePooling{}D": _average_pool,
    "GlobalMaxPooling{}D": replace(_global_average, keeps=BOTH),
    "GlobalAveragePooling{}D": _global_average,
    "AdaptiveMaxPooling{}D": replace(_adaptive_average, keeps=BOTH),
    "AdaptiveAveragePooling{}D": _adaptive_average,
    "UpSampling{}D": Rule(conv.up_sampling, fields.by_windows(conv.resize_windows)),
    "ZeroPadding{}D": _shift,
    "Cropping{}D": _shift,
    "ConvLSTM{}D": Rule(products.conv_lstm, keeps=BOTH, weighted=True),
    "SpatialDropout{}D": _noise,
}

LAYERS: Mapping[str, Rule] = MappingProxyType(
    {
        **{name.format(rank): rule for name, rule in _OF_EACH_RANK.items() for rank in (1, 2, 3)},
        "Dense": replace(_kernel, count=products.dense, move=fields.dense),
        "EinsumDense": replace(_kernel, count=products.einsum_dense, move=fields.einsum_dense),
        "Dot": Rule(products.dot, fields.dot, keeps=INPUT),
        **dict.fromkeys(names("MultiHeadAttention GroupedQueryAttention"), _projected),
        **dict.fromkeys(names("Attention AdditiveAttention"), _attention),
        **dict.fromkeys(names("SimpleRNN LSTM GRU RNN"), _recurrent),
        "Bidirectional": replace(_recurrent, count=products.bidirectional),
        "TimeDistributed": Rule(
            products.time_distributed, fields.time_distributed, keeps=BOTH, weighted=True
        ),
        "Embedding": Rule(move=fields.embedding, keeps=INPUT, weighted=True),
        **dict.fromkeys(names("BatchNormalization SyncBatchNormalization"), _batch_norm),
        **dict.fromkeys(
            names("LayerNormalization RMSNormalization UnitNormalization"), _layer_norm
        ),
        "GroupNormalization": replace(_layer_norm, move=fields.mixing(fields.all_but_batch)),
        **dict.fromkeys(names("Normalization Rescaling CustomScaleLayer"), _rescaling),
        **dict.fromkeys(names("ReLU ELU"), _by_output),
        **dict.fromkeys(names("LeakyReLU PReLU ThresholdedReLU LayerScale"), _by_input),
        "Softmax": _softmax,
        "Activation": _activation,
        "Masking": Rule(elementwise.masking, fields.mixing(fields.own_axes), keeps=INPUT),
        **dict.fromkeys(names("Add Subtract"), _add),
        **dict.fromkeys(names("Multiply Maximum Minimum"), _multiply),
        "Average": replace(_element, count=elementwise.average),
        "Concatenate": Rule(move=fields.concatenate),
        "Permute": Rule(move=fields.permute),
        "RepeatVector": Rule(move=fields.repeat_vector),
        **dict.fromkeys(names("Flatten Reshape"), _reshaping),
        **dict.fromkeys(names("Dropout AlphaDropout GaussianDropout GaussianNoise"), _noise),
        **dict.fromkeys(
            names(
                "InputLayer Identity ActivityRegularization RandomFlip RandomRotation RandomZoom "
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
        **dict.fromkeys(names("Add Subtract Maximum Minimum"), _element),
        **dict.fromkeys(names("Relu Relu6 Sigmoid Tanh Exp Sqrt Rsqrt Elu"), _by_output),
        **dict.fromkeys(names("Softmax LogSoftmax"), _softmax),
        **dict.fromkeys(
            names(
                "Multiply Divide TrueDivide Power HardSigmoid LeakyRelu Softplus Softsign Selu "
                "Abs Negative Square Log Clip"
            ),
            _by_input,
        ),
        **dict.fromkeys(names("Silu Gelu HardSilu Mish"), _composed),
        **dict.fromkeys(names("Identity StopGradient ConvertToTensor"), _free),
    }
)

# Methods that a subclass may override without changing the computation of its parent.
HARMLESS = frozenset(
    names(
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
            return _free if rule is _activation and not elementwise.is_active(layer) else rule
        own |= {name for name in vars(cls) if name[:2] != "__"} - HARMLESS
    return None


def has_own_arithmetic(layer: Any) -> bool:
    """Return whether a layer differs from its rule because it is adapted (LoRA) or quantised."""
    return bool(getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None))
