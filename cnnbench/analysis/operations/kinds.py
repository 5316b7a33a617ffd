"""Rules of TensorFlow operations except arithmetic: storage, gradient and receptive field."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cnnbench.analysis.layers import fields as layer_fields
from cnnbench.analysis.operations import fields as op_fields
from cnnbench.analysis.operations import window_fields
from cnnbench.analysis.operations.arithmetic import ELEMENTWISE
from cnnbench.analysis.rule import Rule, Storage

INPUT, OUTPUT = frozenset({"input"}), frozenset({"output"})

# Operations that return their input.
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
# Operations on the shape of a tensor, not on its values.
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank", "TensorListLength", "ZerosLike", "OnesLike"})

ENTERING = Rule(move=layer_fields.identity, storage=Storage.ALIAS)
"""A loop variable equals its initial value until the first iteration."""


def kind_of(node: Any) -> Rule:
    """Return the rule of an operation."""
    return KINDS.get(node.type, _OTHER)


def _names(text: str) -> list[str]:
    return text.split()


def _kinds(names: str, **what: Any) -> dict[str, Rule]:
    return dict.fromkeys(_names(names), Rule(**what))


_OTHER = Rule(move=op_fields.unknown, keeps=INPUT)

KINDS: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(
            ELEMENTWISE, Rule(move=layer_fields.pointwise, storage=Storage.IN_PLACE, keeps=INPUT)
        ),
        **_kinds(
            "Add AddV2 Sub Neg AddN BiasAdd Greater GreaterEqual Less LessEqual Equal NotEqual "
            "Floor Ceil Round Rint Sign",
            move=layer_fields.pointwise,
            storage=Storage.IN_PLACE,
        ),
        **_kinds(
            "Relu Relu6 Sigmoid Tanh Exp Sqrt Rsqrt Elu Selu Reciprocal Inv",
            move=layer_fields.pointwise,
            storage=Storage.IN_PLACE,
            keeps=OUTPUT,
        ),
        **_kinds(
            "Softmax LogSoftmax", move=op_fields.softmax, storage=Storage.IN_PLACE, keeps=OUTPUT
        ),
        **_kinds(
            "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN",
            move=op_fields.first,
            keeps=INPUT,
        ),
        **_kinds(
            "Cast Select SelectV2 OnesLike ZerosLike Real Imag Conj", move=layer_fields.pointwise
        ),
        **_kinds("BroadcastTo", move=layer_fields.pointwise),
        **_kinds("Conv2D Conv3D", move=window_fields.convolved, keeps=INPUT, linear=True),
        **_kinds("DepthwiseConv2dNative", move=window_fields.depthwise, keeps=INPUT, linear=True),
        **_kinds(
            "Conv2DBackpropInput Conv3DBackpropInputV2",
            move=window_fields.transposed,
            keeps=INPUT,
            linear=True,
        ),
        **_kinds("MaxPool MaxPool3D", move=window_fields.pooled, keeps=INPUT | OUTPUT),
        **_kinds("AvgPool AvgPool3D", move=window_fields.pooled),
        **_kinds(
            "MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3", move=op_fields.matmul, keeps=INPUT
        ),
        **_kinds("Einsum XlaEinsum", move=op_fields.einsum, keeps=INPUT),
        **_kinds("Sum Mean All Any", move=op_fields.reduced),
        **_kinds("Max Min Prod EuclideanNorm", move=op_fields.reduced, keeps=INPUT | OUTPUT),
        **_kinds("ArgMax ArgMin", move=op_fields.reduced),
        **_kinds("Cumsum Cumprod", move=op_fields.cumulative),
        **_kinds("Reshape Squeeze ExpandDims", move=layer_fields.reshape, storage=Storage.ALIAS),
        **_kinds("Transpose", move=op_fields.transpose),
        **_kinds("Slice StridedSlice", move=op_fields.sliced),
        **_kinds("Split SplitV", move=op_fields.split),
        **_kinds("Pad PadV2 MirrorPad", move=window_fields.padded),
        **_kinds("ConcatV2 Concat", move=op_fields.concat),
        **_kinds("Pack", move=op_fields.pack),
        **_kinds("Unpack", move=op_fields.unpack),
        **_kinds("Tile", move=op_fields.tiled),
        **_kinds("GatherV2 Gather ResourceGather", move=op_fields.gathered),
        **_kinds("OneHot", move=op_fields.one_hot),
        **_kinds("DepthToSpace", move=window_fields.depth_to_space),
        **_kinds("SpaceToDepth", move=window_fields.space_to_depth),
        **_kinds("SpaceToBatchND", move=window_fields.space_to_batch),
        **_kinds("BatchToSpaceND", move=window_fields.batch_to_space),
        **_kinds("ResizeNearestNeighbor ResizeBilinear ResizeBicubic", move=window_fields.resized),
        **_kinds("TensorListGetItem", move=op_fields.list_get_item),
        **_kinds("TensorListSetItem", move=op_fields.list_set_item),
    }
)
