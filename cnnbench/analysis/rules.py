"""The table from the class name of a layer to its rule.

By name, so that Keras 2 and Keras 3 layers and the operations of ``keras.ops`` share one table;
only classes that Keras itself defines are looked up, and a subclass with a ``call`` of its own is
not taken for its parent. What is not here is entered or traced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from cnnbench.analysis import (
    keras_api,
    rules_attention,
    rules_conv,
    rules_dense,
    rules_moving,
    rules_simple,
)
from cnnbench.analysis.graph import Op
from cnnbench.analysis.rule import Rule, Storage, no_work

INPUT, OUTPUT = frozenset({"input"}), frozenset({"output"})
BOTH = INPUT | OUTPUT
RESHAPING = Rule(windows=rules_moving.reshaped, storage=Storage.ALIAS)
_moving = Rule(windows=rules_moving.stays)
_joining = Rule(windows=rules_moving.joined)
_turning = Rule(windows=rules_moving.turned)

_kernel = Rule(keeps=INPUT, linear=True, weighted=True)
_conv = replace(_kernel, count=rules_conv.convolution, windows=rules_conv.conv_windows)
_transposed = replace(_kernel, count=rules_conv.transposed, windows=rules_conv.transposed_windows)
_depthwise = replace(_kernel, count=rules_conv.depthwise, windows=rules_conv.conv_windows)
_separable = replace(
    _kernel,
    count=rules_conv.separable,
    windows=rules_conv.conv_windows,
    keeps_inside=rules_conv.depthwise_elements,
    holds_inside=rules_conv.held_between,
)
_max_pool = Rule(rules_conv.pooling, rules_conv.conv_windows, keeps=BOTH)
_average_pool = Rule(rules_conv.pooling, rules_conv.conv_windows)
_global_max = Rule(rules_conv.global_pooling, sees_all=True, keeps=BOTH)
_global_average = Rule(rules_conv.global_pooling, sees_all=True)
_adaptive_max = Rule(rules_conv.adaptive_pooling, sees_all=True, keeps=BOTH)
_adaptive_average = Rule(rules_conv.adaptive_pooling, sees_all=True)
_resize = Rule(rules_conv.up_sampling, rules_conv.resize_windows)
_shift = Rule(no_work, rules_conv.shift_windows)

_batch_norm = Rule(rules_simple.batch_norm, storage=Storage.IN_PLACE, keeps=INPUT, linear=True)
_layer_norm = Rule(
    rules_simple.layer_norm,
    sees_all=rules_moving.normalises_positions,
    storage=Storage.IN_PLACE,
    keeps=INPUT,
    keeps_inside=rules_simple.output_elements,
)
_by_output = Rule(rules_simple.unary, storage=Storage.IN_PLACE, keeps=OUTPUT)
_by_input = Rule(rules_simple.unary, storage=Storage.IN_PLACE, keeps=INPUT)
_composed = Rule(rules_simple.unary, keeps=INPUT)  # several kernels, as x · sigmoid(x)
_activation = Rule(rules_simple.activation, storage=Storage.IN_PLACE)
_free = Rule(storage=Storage.ALIAS)
_noise = Rule(storage=Storage.ALIAS, training_only=True)
_add = Rule(rules_simple.merge, storage=Storage.IN_PLACE)
_multiply = Rule(rules_simple.merge, storage=Storage.IN_PLACE, keeps=INPUT)
_binary = Rule(rules_simple.binary, storage=Storage.IN_PLACE)
_product = Rule(rules_simple.binary, storage=Storage.IN_PLACE, keeps=INPUT)
_reduction = Rule(rules_simple.reduction, sees_all=rules_moving.mixes_positions)
_recurrent = Rule(rules_dense.recurrent, sees_all=True, keeps=BOTH, weighted=True)
_attention = Rule(
    rules_attention.plain,
    sees_all=True,
    keeps=INPUT,
    keeps_inside=rules_attention.needed_by_plain,
    holds_inside=rules_attention.held_by_plain,
)
_conv_lstm = Rule(rules_dense.conv_lstm, sees_all=True, keeps=BOTH, weighted=True)


def _projected(read: Callable[[Op], rules_attention.Projected]) -> Rule:
    """The rule of attention with projections, which ``read`` finds in a call."""
    return Rule(
        lambda op: read(op).work(),
        sees_all=True,
        keeps=INPUT,
        keeps_inside=lambda op: read(op).needed(),
        holds_inside=lambda op: read(op).held(),
        weighted=True,
    )


def _ranked(name: str, rule: Rule) -> dict[str, Rule]:
    """The rule for one, two and three spatial axes: ``Conv{}D``."""
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
        "Dense": replace(_kernel, count=rules_dense.dense),
        "EinsumDense": replace(_kernel, count=rules_dense.einsum_dense),
        "Dot": Rule(rules_dense.dot, sees_all=True, keeps=INPUT),
        "MultiHeadAttention": _projected(rules_attention.multi_head),
        "GroupedQueryAttention": _projected(rules_attention.grouped_query),
        "Attention": _attention,
        "AdditiveAttention": _attention,
        "SimpleRNN": _recurrent,
        "LSTM": _recurrent,
        "GRU": _recurrent,
        "RNN": _recurrent,
        "Bidirectional": Rule(rules_dense.bidirectional, sees_all=True, keeps=BOTH, weighted=True),
        "Embedding": Rule(keeps=INPUT, weighted=True),
        "BatchNormalization": _batch_norm,
        "SyncBatchNormalization": _batch_norm,
        "LayerNormalization": _layer_norm,
        "GroupNormalization": replace(_layer_norm, sees_all=True),
        "RMSNormalization": _layer_norm,
        "UnitNormalization": _layer_norm,
        "Normalization": Rule(rules_simple.rescaling, storage=Storage.IN_PLACE),
        "Rescaling": Rule(rules_simple.rescaling, storage=Storage.IN_PLACE),
        "ReLU": _by_output,
        "ELU": _by_output,
        "Softmax": _by_output,
        "LeakyReLU": _by_input,
        "PReLU": _by_input,
        "ThresholdedReLU": _by_input,
        "Activation": _activation,
        "Masking": Rule(rules_simple.masking, keeps=INPUT),
        "Add": _add,
        "Subtract": _add,
        "Multiply": _multiply,
        "Maximum": _multiply,
        "Minimum": _multiply,
        "Average": Rule(rules_simple.average, storage=Storage.IN_PLACE),
        "Concatenate": _joining,
        "Permute": _turning,
        "RepeatVector": Rule(),
        "Flatten": RESHAPING,
        "Reshape": RESHAPING,
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

OPERATIONS: Mapping[str, Rule] = MappingProxyType(
    {
        "Matmul": Rule(rules_dense.matmul, sees_all=True, keeps=INPUT),
        "Einsum": Rule(rules_dense.einsum, sees_all=True, keeps=INPUT),
        **dict.fromkeys(_names("Add Subtract Maximum Minimum"), _binary),
        **dict.fromkeys(_names("Multiply Divide TrueDivide Power"), _product),
        **dict.fromkeys(_names("Relu Relu6 Sigmoid Softmax Tanh Exp Sqrt Rsqrt Elu"), _by_output),
        **dict.fromkeys(
            _names(
                "HardSigmoid LeakyRelu Softplus Softsign Selu LogSoftmax "
                "Abs Negative Square Log Clip"
            ),
            _by_input,
        ),
        **dict.fromkeys(_names("Silu Gelu HardSilu Mish"), _composed),
        **dict.fromkeys(_names("Mean Sum Max Min Var Std"), _reduction),
        **dict.fromkeys(_names("Reshape Squeeze ExpandDims"), RESHAPING),
        **dict.fromkeys(_names("Identity StopGradient ConvertToTensor"), _free),
        **dict.fromkeys(_names("Repeat Tile"), _moving),
        **dict.fromkeys(_names("Stack Roll"), Rule(windows=rules_moving.unknown)),
        "Concatenate": _joining,
        "Transpose": _turning,
        "Pad": Rule(windows=rules_moving.padded),
        "GetItem": Rule(windows=rules_moving.sliced),
    }
)


# What a subclass may write anew and still compute what its parent computes.
HARMLESS = frozenset(
    _names(
        "build build_from_config get_build_config get_config from_config compute_mask "
        "compute_output_shape compute_output_spec save_own_variables load_own_variables "
        "save_assets load_assets"
    )
)


def find_rule(layer: Any) -> Rule | None:
    """The rule for a layer or operation, or None where there is none.

    A class derived from a Keras layer counts as that layer as long as it overrides nothing that
    the parent computes with: neither ``call`` nor what that calls (``convolution_op``).
    """
    own: set[str] = set()
    for cls in type(layer).__mro__:
        if keras_api.comes_with_keras(cls):
            if any(hasattr(cls, name) for name in own):
                return None
            table = LAYERS if hasattr(layer, "weights") else OPERATIONS
            rule = table.get(cls.__name__)
            return _free if rule is _activation and not rules_conv.is_active(layer) else rule
        own |= {name for name in vars(cls) if name[:2] != "__"} - HARMLESS
    return None
