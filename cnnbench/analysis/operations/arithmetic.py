"""Arithmetic of TensorFlow operations: a table from their type to a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2, prod
from types import MappingProxyType
from typing import Any

from cnnbench.analysis.layers.products import contracted
from cnnbench.analysis.work import NOTHING, Work

NodeRule = Callable[[Any], Work | None]


def _sizes(tensor: Any) -> tuple[int, ...] | None:
    """Return the sizes of a tensor, or None if one is unknown."""
    shape = tensor.shape
    return tuple(shape.as_list()) if shape.is_fully_defined() else None


def _elements(tensor: Any) -> int | None:
    sizes = _sizes(tensor)
    return None if sizes is None else prod(sizes)


def _each_output(times: int, kind: str = "elementwise") -> NodeRule:
    """``times`` operations an output element."""

    def rule(node: Any) -> Work | None:
        outputs = _elements(node.outputs[0])
        return None if outputs is None else Work(**{kind: outputs * times})

    return rule


def _each_input(kind: str) -> NodeRule:
    """One operation an input element."""

    def rule(node: Any) -> Work | None:
        inputs = _elements(node.inputs[0])
        return None if inputs is None else Work(**{kind: inputs})

    return rule


def _convolved(node: Any) -> int | None:
    """Return the elements of a convolution's output.

    A dilated convolution runs on an image cut into blocks (SpaceToBatchND); outputs beyond the
    image, which joining the blocks crops, are not counted.
    """
    output = node.outputs[0]
    joined = [reader for reader in output.consumers() if reader.type == "BatchToSpaceND"]
    return _elements(joined[0].outputs[0] if joined else output)


def _convolution(node: Any) -> Work | None:
    """``outputs x (kernel sizes) x (channels in a group)``: the kernel's axes but the last."""
    outputs, kernel = _convolved(node), _sizes(node.inputs[1])
    return None if outputs is None or kernel is None else Work(macs=outputs * prod(kernel[:-1]))


def _depthwise(node: Any) -> Work | None:
    """``outputs x (kernel sizes)``."""
    outputs, kernel = _convolved(node), _sizes(node.inputs[1])
    return None if outputs is None or kernel is None else Work(macs=outputs * prod(kernel[:2]))


def _transposed(node: Any) -> Work | None:
    """``inputs x (kernel sizes) x filters``; the kernel is ``(..., filters, channels)``."""
    kernel, inputs = _sizes(node.inputs[1]), _elements(node.inputs[2])
    return None if inputs is None or kernel is None else Work(macs=inputs * prod(kernel[:-1]))


def _matmul(node: Any) -> Work | None:
    """``outputs x (the axis that is summed over)``."""
    outputs, left = _elements(node.outputs[0]), _sizes(node.inputs[0])
    if outputs is None or left is None:
        return None
    turned = node.get_attr("transpose_a" if node.type == "MatMul" else "adj_x")
    return Work(macs=outputs * left[-2 if turned else -1])


def _einsum(node: Any) -> Work | None:
    """``outputs x (product of the axes that are summed over)``.

    With one operand there is no product, only a sum or a transposition.
    """
    shapes, outputs = [_sizes(tensor) for tensor in node.inputs], _elements(node.outputs[0])
    known = [shape for shape in shapes if shape is not None]
    if outputs is None or len(known) < len(shapes):
        return None
    summed = contracted(node.get_attr("equation").decode(), known)
    if summed is None:
        return None
    if len(known) == 1:
        return Work(elementwise=outputs * (summed - 1))
    return Work(macs=outputs * summed)


def _window(node: Any) -> Work | None:
    """``outputs x window``."""
    outputs = _elements(node.outputs[0])
    if outputs is None:
        return None
    return Work(pooling=outputs * prod(node.get_attr("ksize")))


def _local_response(node: Any) -> Work | None:
    """Per element the ``2 r + 1`` squares of the window, then scale, power and division."""
    outputs = _elements(node.outputs[0])
    if outputs is None:
        return None
    window = 2 * node.get_attr("depth_radius") + 1
    return Work(pooling=outputs * window, elementwise=4 * outputs)


def _add_n(node: Any) -> Work | None:
    outputs = _elements(node.outputs[0])
    return None if outputs is None else Work(elementwise=outputs * (len(node.inputs) - 1))


def _fourier(times: float) -> NodeRule:
    """``times x n log2 n`` per transform of ``n`` points, the convention of FFTW (Frigo, Johnson
    2005): 5 for complex numbers, half of it for real ones."""

    def rule(node: Any) -> Work | None:
        real = next((t for t in (*node.outputs, *node.inputs) if t.dtype.is_floating), None)
        sizes = _sizes(node.inputs[0] if real is None else real)
        if sizes is None or not sizes[-1]:
            return None
        return Work(elementwise=round(times * prod(sizes) * log2(sizes[-1])))

    return rule


def _bucketize(node: Any) -> Work | None:
    """A binary search among the boundaries an element."""
    outputs = _elements(node.outputs[0])
    steps = len(node.get_attr("boundaries")).bit_length()
    return None if outputs is None else Work(elementwise=outputs * steps)


def _names(text: str) -> list[str]:
    return text.split()


# Moving, naming and shaping data: no arithmetic.
FREE = frozenset(
    _names(
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
    _names(
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
        "Conv2D": _convolution,
        "Conv3D": _convolution,
        "DepthwiseConv2dNative": _depthwise,
        "Conv2DBackpropInput": _transposed,
        "Conv3DBackpropInputV2": _transposed,
        "MatMul": _matmul,
        "BatchMatMul": _matmul,
        "BatchMatMulV2": _matmul,
        "BatchMatMulV3": _matmul,
        "Einsum": _einsum,
        "XlaEinsum": _einsum,
        "BiasAdd": _each_output(1, "bias"),
        "FusedBatchNorm": _each_output(1, "batch_norm"),
        "FusedBatchNormV2": _each_output(1, "batch_norm"),
        "FusedBatchNormV3": _each_output(1, "batch_norm"),
        "LRN": _local_response,
        "MaxPool": _window,
        "MaxPoolV2": _each_input("pooling"),
        "MaxPool3D": _window,
        "AvgPool": _window,
        "AvgPool3D": _window,
        "ResizeBilinear": _each_output(4),
        "ResizeBicubic": _each_output(16),
        "ResizeArea": _each_input("pooling"),
        "ScaleAndTranslate": _each_output(4),
        "L2Loss": _each_input("pooling"),
        "AddN": _add_n,
        "FFT": _fourier(5),
        "IFFT": _fourier(5),
        "RFFT": _fourier(2.5),
        "IRFFT": _fourier(2.5),
        "Bucketize": _bucketize,
        "ComplexAbs": _each_output(4),
        **dict.fromkeys(
            _names("Bincount DenseBincount HistogramFixedWidth UnsortedSegmentSum SegmentSum"),
            _each_input("pooling"),
        ),
        **dict.fromkeys(
            _names("Sum Mean Max Min Prod All Any EuclideanNorm ArgMax ArgMin Cumsum Cumprod"),
            _each_input("pooling"),
        ),
        **dict.fromkeys(
            ELEMENTWISE,
            _each_output(1),
        ),
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
    found = rule(node)
    return (NOTHING, "its size is known only when it runs") if found is None else (found, "")


def _on_numbers(node: Any) -> bool:
    """Return whether it works on real or complex numbers; index arithmetic is not counted."""
    tensors = [*node.inputs, *node.outputs]
    return any(tensor.dtype.is_floating or tensor.dtype.is_complex for tensor in tensors)
