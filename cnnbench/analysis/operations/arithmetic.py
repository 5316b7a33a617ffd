"""Arithmetic of TensorFlow operations: a table from their type to a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2, prod
from types import MappingProxyType
from typing import Any

from cnnbench.analysis.layers.products import contracted
from cnnbench.analysis.rule import names
from cnnbench.analysis.work import NOTHING, Work

NodeRule = Callable[[Any], Work]


class _UnknownSize(Exception):
    """Raised if the work depends on a size that is known only when the network runs."""


def _sizes(tensor: Any) -> tuple[int, ...]:
    """Return the sizes of a tensor; raise `_UnknownSize` if one is unknown."""
    if not tensor.shape.is_fully_defined():
        raise _UnknownSize
    return tuple(tensor.shape.as_list())


def _elements(tensor: Any) -> int:
    return prod(_sizes(tensor))


def _each_output(times: int, kind: str = "elementwise") -> NodeRule:
    """``times`` operations an output element."""
    return lambda node: Work(**{kind: _elements(node.outputs[0]) * times})


def _each_input(node: Any) -> Work:
    """Every input element is read once."""
    return Work(pooling=_elements(node.inputs[0]))


def _convolved(node: Any) -> int:
    """Return the elements of a convolution's output.

    A dilated convolution runs on an image cut into blocks (SpaceToBatchND); outputs beyond the
    image, which joining the blocks crops, are not counted.
    """
    output = node.outputs[0]
    joined = [reader for reader in output.consumers() if reader.type == "BatchToSpaceND"]
    return _elements(joined[0].outputs[0] if joined else output)


def _convolution(node: Any) -> Work:
    """``outputs x (kernel sizes) x (channels in a group)``: the kernel's axes but the last."""
    return Work(macs=_convolved(node) * prod(_sizes(node.inputs[1])[:-1]))


def _depthwise(node: Any) -> Work:
    """``outputs x (kernel sizes)``."""
    return Work(macs=_convolved(node) * prod(_sizes(node.inputs[1])[:2]))


def _transposed(node: Any) -> Work:
    """``inputs x (kernel sizes) x filters``; the kernel is ``(..., filters, channels)``."""
    return Work(macs=_elements(node.inputs[2]) * prod(_sizes(node.inputs[1])[:-1]))


def _matmul(node: Any) -> Work:
    """``outputs x (the axis that is summed over)``."""
    turned = node.get_attr("transpose_a" if node.type == "MatMul" else "adj_x")
    summed = _sizes(node.inputs[0])[-2 if turned else -1]
    return Work(macs=_elements(node.outputs[0]) * summed)


def _einsum(node: Any) -> Work:
    """``outputs x (product of the axes that are summed over)``.

    With one operand there is no product, only a sum or a transposition.
    """
    shapes, outputs = [_sizes(tensor) for tensor in node.inputs], _elements(node.outputs[0])
    summed = contracted(node.get_attr("equation").decode(), shapes)
    if summed is None:
        raise _UnknownSize
    if len(shapes) == 1:
        return Work(elementwise=outputs * (summed - 1))
    return Work(macs=outputs * summed)


def _window(node: Any) -> Work:
    """``outputs x window``."""
    return Work(pooling=_elements(node.outputs[0]) * prod(node.get_attr("ksize")))


def _local_response(node: Any) -> Work:
    """Per element the ``2 r + 1`` squares of the window, then scale, power and division."""
    outputs = _elements(node.outputs[0])
    window = 2 * node.get_attr("depth_radius") + 1
    return Work(pooling=outputs * window, elementwise=4 * outputs)


def _add_n(node: Any) -> Work:
    return Work(elementwise=_elements(node.outputs[0]) * (len(node.inputs) - 1))


def _fourier(times: float) -> NodeRule:
    """``times x n log2 n`` per transform of ``n`` points, the convention of FFTW (Frigo, Johnson
    2005): 5 for complex numbers, half of it for real ones."""

    def rule(node: Any) -> Work:
        real = next((t for t in (*node.outputs, *node.inputs) if t.dtype.is_floating), None)
        sizes = _sizes(node.inputs[0] if real is None else real)
        if not sizes[-1]:
            raise _UnknownSize
        return Work(elementwise=round(times * prod(sizes) * log2(sizes[-1])))

    return rule


def _bucketize(node: Any) -> Work:
    """A binary search among the boundaries an element."""
    steps = len(node.get_attr("boundaries")).bit_length()
    return Work(elementwise=_elements(node.outputs[0]) * steps)


def _largest(node: Any) -> Work:
    """A heap of the k largest an input element: ``log2 k`` comparisons, at most."""
    kept = max(_sizes(node.outputs[0])[-1], 1)
    return Work(elementwise=_elements(node.inputs[0]) * kept.bit_length())


# Moving, naming and shaping data: no arithmetic.
FREE = frozenset(
    names(
        "Const Placeholder PlaceholderWithDefault Identity IdentityN StopGradient PreventGradient "
        "NoOp ReadVariableOp VarHandleOp VarIsInitializedOp ResourceGather Reshape Squeeze "
        "ExpandDims Shape ShapeN Size Rank Fill Zeros ZerosLike OnesLike Pack Unpack Concat "
        "ConcatV2 Split SplitV Slice StridedSlice Gather GatherV2 GatherNd Transpose Pad PadV2 "
        "MirrorPad Tile Reverse ReverseV2 Roll SpaceToBatchND BatchToSpaceND SpaceToDepth "
        "DepthToSpace Cast Bitcast BroadcastTo BroadcastArgs BroadcastGradientArgs Range LinSpace "
        "Select SelectV2 Where OneHot ResizeNearestNeighbor Assert CheckNumerics "
        "EnsureShape InvertPermutation TensorListFromTensor TensorListStack ScatterNd "
        "TensorScatterUpdate MatrixDiag MatrixBandPart Real Imag Conj Complex TensorListReserve "
        "TensorListGetItem TensorListSetItem TensorListLength TensorListPushBack TensorListGather "
        "TensorListConcatV2 TensorListScatterIntoExistingList TensorListResize Stage "
        "AssignVariableOp AssignAddVariableOp Print PrintV2 StringFormat Unique UniqueV2 "
        "MatrixDiagV2 MatrixDiagV3 MatrixDiagPartV3 MatrixSetDiagV3 DeepCopy Copy Snapshot"
    )
)

# One operation an output element.
ELEMENTWISE = frozenset(
    names(
        "Add AddV2 Sub Mul Div RealDiv DivNoNan FloorDiv FloorMod Mod Pow Maximum Minimum "
        "SquaredDifference Neg Abs Sign Square Sqrt Rsqrt Reciprocal Inv Exp Expm1 Log "
        "Log1p Sin Cos Tan Asin Acos Atan Atan2 Sinh Cosh Tanh Sigmoid Erf Erfc Erfinv "
        "Relu Relu6 LeakyRelu Elu Selu Softplus Softsign Softmax LogSoftmax Floor Ceil "
        "Round Rint ClipByValue Greater GreaterEqual Less LessEqual Equal NotEqual "
        "Xlogy Xlog1py Xdivy MulNoNan IsNan IsInf IsFinite LogicalAnd LogicalOr LogicalNot "
        "StatelessRandomUniformV2 StatelessRandomNormalV2 StatelessTruncatedNormalV2 RandomUniform "
        "RandomStandardNormal TruncatedNormal"
    )
)

RULES: Mapping[str, NodeRule] = MappingProxyType(
    {
        **dict.fromkeys(names("Conv2D Conv3D"), _convolution),
        "DepthwiseConv2dNative": _depthwise,
        **dict.fromkeys(names("Conv2DBackpropInput Conv3DBackpropInputV2"), _transposed),
        **dict.fromkeys(names("MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3"), _matmul),
        **dict.fromkeys(names("Einsum XlaEinsum"), _einsum),
        "BiasAdd": _each_output(1, "bias"),
        **dict.fromkeys(
            names("FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3"), _each_output(1, "batch_norm")
        ),
        "LRN": _local_response,
        **dict.fromkeys(names("MaxPool MaxPool3D AvgPool AvgPool3D"), _window),
        "ResizeBicubic": _each_output(16),
        **dict.fromkeys(names("ResizeBilinear ScaleAndTranslate ComplexAbs"), _each_output(4)),
        "AddN": _add_n,
        **dict.fromkeys(names("FFT IFFT"), _fourier(5)),
        **dict.fromkeys(names("RFFT IRFFT"), _fourier(2.5)),
        "Bucketize": _bucketize,
        **dict.fromkeys(names("TopK TopKV2"), _largest),
        **dict.fromkeys(
            names(
                "Sum Mean Max Min Prod All Any EuclideanNorm ArgMax ArgMin Cumsum Cumprod L2Loss "
                "MaxPoolV2 ResizeArea Bincount DenseBincount HistogramFixedWidth "
                "UnsortedSegmentSum SegmentSum"
            ),
            _each_input,
        ),
        **dict.fromkeys(ELEMENTWISE, _each_output(1)),
    }
)

# Counted for every type of operand: quantised products are multiply-adds as well.
PRODUCTS = frozenset(
    kind
    for kind, rule in RULES.items()
    if rule in (_convolution, _depthwise, _transposed, _matmul, _einsum)
)

_OUTSIDE = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"})


def count(node: Any) -> tuple[Work, str]:
    """Return the arithmetic of one operation, and "" or why it is unknown."""
    if node.type in FREE or not (_on_numbers(node) or node.type in PRODUCTS):
        return NOTHING, ""
    if node.type in _OUTSIDE:
        return NOTHING, "a Python function cannot be analysed"
    rule = RULES.get(node.type)
    if rule is None:
        return NOTHING, "no rule for this operation"
    try:
        return rule(node), ""
    except _UnknownSize:
        return NOTHING, "its size is known only when it runs"


def _on_numbers(node: Any) -> bool:
    """Return whether it works on real or complex numbers; index arithmetic is not counted."""
    tensors = [*node.inputs, *node.outputs]
    return any(tensor.dtype.is_floating or tensor.dtype.is_complex for tensor in tensors)
