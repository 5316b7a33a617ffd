"""Properties of TensorFlow operations other than arithmetic: storage of the output, tensors read by
the gradient, receptive field."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cnnbench.analysis import node_moves as moves
from cnnbench.analysis import node_windows as windows
from cnnbench.analysis.node_rules import ELEMENTWISE
from cnnbench.analysis.rule import Rule, Storage

INPUT, OUTPUT = frozenset({"input"}), frozenset({"output"})

# Other names of the same values.
SAME = frozenset(
    {
        "Identity",
        "IdentityN",
        "StopGradient",
        "PreventGradient",
        "EnsureShape",
        "CheckNumerics",
        "TensorListFromTensor",
    }
)
# Of the shape of a tensor, not of its values.
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank", "TensorListLength", "ZerosLike", "OnesLike"})

ENTERING = Rule(move=moves.same, storage=Storage.ALIAS)
"""A variable of a loop is what it was before, until its first turn."""


def kind_of(node: Any) -> Rule:
    """Analysis of an operation that is counted."""
    return KINDS.get(node.type, _OTHER)


def _names(text: str) -> list[str]:
    return text.split()


def _kinds(names: str, **what: Any) -> dict[str, Rule]:
    return dict.fromkeys(_names(names), Rule(**what))


_OTHER = Rule(move=moves.unknown, keeps=INPUT)

KINDS: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(
            ELEMENTWISE, Rule(move=moves.pointwise, storage=Storage.IN_PLACE, keeps=INPUT)
        ),
        **_kinds(
            "Add AddV2 Sub Neg AddN BiasAdd Greater GreaterEqual Less LessEqual Equal NotEqual "
            "Floor Ceil Round Rint Sign",
            move=moves.pointwise,
            storage=Storage.IN_PLACE,
        ),
        **_kinds(
            "Relu Relu6 Sigmoid Tanh Exp Sqrt Rsqrt Elu Selu Reciprocal Inv",
            move=moves.pointwise,
            storage=Storage.IN_PLACE,
            keeps=OUTPUT,
        ),
        **_kinds("Softmax LogSoftmax", move=moves.softmax, storage=Storage.IN_PLACE, keeps=OUTPUT),
        **_kinds(
            "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN", move=moves.first, keeps=INPUT
        ),
        **_kinds("Cast Select SelectV2 OnesLike ZerosLike Real Imag Conj", move=moves.pointwise),
        **_kinds("BroadcastTo", move=moves.pointwise),
        **_kinds("Conv2D Conv3D", move=windows.convolved, keeps=INPUT, linear=True),
        **_kinds("DepthwiseConv2dNative", move=windows.depthwise, keeps=INPUT, linear=True),
        **_kinds(
            "Conv2DBackpropInput Conv3DBackpropInputV2",
            move=windows.transposed,
            keeps=INPUT,
            linear=True,
        ),
        **_kinds("MaxPool MaxPool3D", move=windows.pooled, keeps=INPUT | OUTPUT),
        **_kinds("AvgPool AvgPool3D", move=windows.pooled),
        **_kinds("MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3", move=moves.matmul, keeps=INPUT),
        **_kinds("Einsum XlaEinsum", move=moves.einsum, keeps=INPUT),
        **_kinds("Sum Mean All Any", move=moves.reduced),
        **_kinds("Max Min Prod EuclideanNorm", move=moves.reduced, keeps=INPUT | OUTPUT),
        **_kinds("ArgMax ArgMin", move=moves.reduced),
        **_kinds("Cumsum Cumprod", move=moves.cumulated),
        **_kinds("Reshape Squeeze ExpandDims", move=moves.reshape, storage=Storage.ALIAS),
        **_kinds("Transpose", move=moves.turned),
        **_kinds("Slice StridedSlice", move=moves.sliced),
        **_kinds("Split SplitV", move=moves.split),
        **_kinds("Pad PadV2 MirrorPad", move=windows.padded),
        **_kinds("ConcatV2 Concat", move=moves.beside),
        **_kinds("Pack", move=moves.stacked),
        **_kinds("Unpack", move=moves.unstacked),
        **_kinds("Tile", move=moves.tiled),
        **_kinds("GatherV2 Gather ResourceGather", move=moves.gathered),
        **_kinds("OneHot", move=moves.one_hot),
        **_kinds("DepthToSpace", move=windows.depth_to_space),
        **_kinds("SpaceToDepth", move=windows.space_to_depth),
        **_kinds("SpaceToBatchND", move=windows.space_to_batch),
        **_kinds("BatchToSpaceND", move=windows.batch_to_space),
        **_kinds("ResizeNearestNeighbor ResizeBilinear ResizeBicubic", move=windows.resized),
        **_kinds("TensorListGetItem", move=moves.one_of_list),
        **_kinds("TensorListSetItem", move=moves.list_of),
    }
)
