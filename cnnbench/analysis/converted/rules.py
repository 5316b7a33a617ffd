"""Arithmetic of LiteRT's operators: a table from their kind to a rule.

The sizes of kernels are those of the schema: ``CONV_2D`` has ``(filters, h, w, channels of a
group)``, ``DEPTHWISE_CONV_2D`` ``(1, h, w, filters)``, ``FULLY_CONNECTED`` ``(outputs, inputs)``,
``TRANSPOSE_CONV`` ``(filters, h, w, channels)``, ``CONV_3D`` ``(d, h, w, channels, filters)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType

from cnnbench.analysis.rule import names
from cnnbench.analysis.work import NOTHING, Work
from cnnbench.models.litert.flatbuffer import Operator

OperatorRule = Callable[[Operator], Work]


def work(operator: Operator) -> Work | None:
    """Return the arithmetic of an operator, or None if it has no rule."""
    rule = None if operator.is_custom else RULES.get(operator.kind)
    if rule is None:
        return None
    return rule(operator) + _activation(operator)


def has_kernel(operator: Operator) -> bool:
    """Return whether an operator counts as a layer in the depth of a network."""
    return operator.kind in _KERNELS


def _shape(operator: Operator, place: int) -> tuple[int, ...]:
    found = operator.inputs[place]
    assert found is not None
    return found.shape


def _elements(operator: Operator) -> int:
    return operator.outputs[0].elements


def _bias(operator: Operator, place: int = 2) -> int:
    has_bias = len(operator.inputs) > place and operator.inputs[place] is not None
    return _elements(operator) if has_bias else 0


def _convolution(operator: Operator) -> Work:
    """``outputs x (the kernel's axes but the filters)``."""
    kernel = prod(_shape(operator, 1)[1:])
    return Work(macs=_elements(operator) * kernel, bias=_bias(operator))


def _depthwise(operator: Operator) -> Work:
    kernel = prod(_shape(operator, 1)[1:3])
    return Work(macs=_elements(operator) * kernel, bias=_bias(operator))


def _dense(operator: Operator) -> Work:
    return Work(macs=_elements(operator) * _shape(operator, 1)[-1], bias=_bias(operator))


def _transposed(operator: Operator) -> Work:
    """``inputs x (the kernel's axes but the channels)``."""
    kernel = prod(_shape(operator, 1)[:-1])
    return Work(macs=prod(_shape(operator, 2)) * kernel, bias=_bias(operator, 3))


def _volume(operator: Operator) -> Work:
    kernel = prod(_shape(operator, 1)[:-1])
    return Work(macs=_elements(operator) * kernel, bias=_bias(operator))


def _product(operator: Operator) -> Work:
    """``outputs x (the axis that is summed over)``."""
    turned = bool(getattr(operator.options, "adjX", False))
    return Work(macs=_elements(operator) * _shape(operator, 0)[-2 if turned else -1])


def _window(operator: Operator) -> Work:
    """``outputs x window``."""
    options = operator.options
    return Work(pooling=_elements(operator) * options.filterHeight * options.filterWidth)


def _every_input(operator: Operator) -> Work:
    return Work(pooling=prod(_shape(operator, 0)))


def _each(times: int) -> OperatorRule:
    """``times`` operations an output element."""
    return lambda operator: Work(elementwise=_elements(operator) * times)


def _sum(operator: Operator) -> Work:
    return Work(elementwise=_elements(operator) * (len(operator.inputs) - 1))


def _response(operator: Operator) -> Work:
    """Per element the ``2 r + 1`` squares of the window, then scale, power and division."""
    window = 2 * int(operator.options.radius) + 1
    return Work(pooling=_elements(operator) * window, elementwise=4 * _elements(operator))


def _nothing(operator: Operator) -> Work:
    """Data is moved, renamed or stored in another type."""
    return NOTHING


def _activation(operator: Operator) -> Work:
    """Return the activation that the converter has put into an operator."""
    is_fused = bool(getattr(operator.options, "fusedActivationFunction", 0))
    return Work(elementwise=_elements(operator)) if is_fused else NOTHING


_KERNELS: Mapping[str, OperatorRule] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": _transposed,
    "CONV_3D": _volume,
}

RULES: Mapping[str, OperatorRule] = MappingProxyType(
    {
        **_KERNELS,
        "BATCH_MATMUL": _product,
        **dict.fromkeys(names("AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D"), _window),
        **dict.fromkeys(
            names(
                "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL ARG_MAX ARG_MIN"
            ),
            _every_input,
        ),
        "ADD_N": _sum,
        "LOCAL_RESPONSE_NORMALIZATION": _response,
        "RESIZE_BILINEAR": _each(4),
        "L2_NORMALIZATION": _each(2),
        **dict.fromkeys(
            names(
                "ADD SUB MUL DIV POW MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD "
                "ABS NEG SQUARE SQRT RSQRT EXP LOG SIN COS ROUND FLOOR CEIL SIGN RELU RELU6 "
                "RELU_N1_TO_1 RELU_0_TO_1 PRELU LEAKY_RELU ELU GELU LOGISTIC TANH HARD_SWISH "
                "SOFTMAX LOG_SOFTMAX CUMSUM GREATER GREATER_EQUAL LESS LESS_EQUAL EQUAL "
                "NOT_EQUAL LOGICAL_AND LOGICAL_OR LOGICAL_NOT ZEROS_LIKE"
            ),
            _each(1),
        ),
        **dict.fromkeys(
            names(
                "QUANTIZE DEQUANTIZE CAST RESHAPE SQUEEZE EXPAND_DIMS TRANSPOSE PAD PADV2 "
                "MIRROR_PAD CONCATENATION SPLIT SPLIT_V PACK UNPACK SLICE STRIDED_SLICE "
                "GATHER GATHER_ND TILE BROADCAST_TO BROADCAST_ARGS SHAPE FILL RANGE RANK "
                "SELECT SELECT_V2 WHERE ONE_HOT DEPTH_TO_SPACE SPACE_TO_DEPTH "
                "SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND DENSIFY REVERSE_V2 "
                "RESIZE_NEAREST_NEIGHBOR DYNAMIC_UPDATE_SLICE"
            ),
            _nothing,
        ),
    }
)
ALIASES = frozenset(names("RESHAPE SQUEEZE EXPAND_DIMS"))
"""Operators whose output is the memory of their input."""
