"""Rules of TensorFlow operations except arithmetic: storage, gradient and receptive field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cnnbench.analysis.layers import fields as layer_fields
from cnnbench.analysis.operations import fields as op_fields
from cnnbench.analysis.operations import window_fields
from cnnbench.analysis.operations.arithmetic import ELEMENTWISE
from cnnbench.analysis.rule import INPUT, OUTPUT, Rule, Storage, names

if TYPE_CHECKING:
    from cnnbench.analysis.rule import Move

# Operations that return their input.
SAME = frozenset(
    names(
        "Identity IdentityN StopGradient PreventGradient EnsureShape CheckNumerics "
        "TensorListFromTensor"
    )
)
# Operations on the shape of a tensor, not on its values.
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank", "TensorListLength", "ZerosLike", "OnesLike"})

ENTERING = Rule(move=layer_fields.identity, storage=Storage.ALIAS)
"""A loop variable equals its initial value until the first iteration."""


def kind_of(node: Any) -> Rule:
    """Return the rule of an operation."""
    return KINDS.get(node.type, _OTHER)


def _kinds(kinds: str, move: Move, **others: Any) -> dict[str, Rule]:
    return dict.fromkeys(names(kinds), Rule(move=op_fields.or_unknown(move), **others))


_OTHER = Rule(move=op_fields.unknown, keeps=INPUT)
_ELEMENT = Rule(move=layer_fields.pointwise, storage=Storage.IN_PLACE)
_KERNEL: dict[str, Any] = {"keeps": INPUT, "linear": True}

KINDS: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(ELEMENTWISE, replace(_ELEMENT, keeps=INPUT)),
        **dict.fromkeys(
            names(
                "Add AddV2 Sub Neg AddN BiasAdd Greater GreaterEqual Less LessEqual Equal NotEqual "
                "Floor Ceil Round Rint Sign"
            ),
            _ELEMENT,
        ),
        **dict.fromkeys(
            names("Relu Relu6 Sigmoid Tanh Exp Sqrt Rsqrt Elu Selu Reciprocal Inv"),
            replace(_ELEMENT, keeps=OUTPUT),
        ),
        **dict.fromkeys(
            names("Softmax LogSoftmax"), replace(_ELEMENT, move=op_fields.softmax, keeps=OUTPUT)
        ),
        **_kinds(
            "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN", op_fields.first, keeps=INPUT
        ),
        **_kinds(
            "Cast Select SelectV2 OnesLike ZerosLike Real Imag Conj BroadcastTo",
            layer_fields.pointwise,
        ),
        **_kinds("Conv2D Conv3D", window_fields.convolved, **_KERNEL),
        **_kinds("DepthwiseConv2dNative", window_fields.depthwise, **_KERNEL),
        **_kinds("Conv2DBackpropInput Conv3DBackpropInputV2", window_fields.transposed, **_KERNEL),
        **_kinds("MaxPool MaxPool3D", window_fields.pooled, keeps=INPUT | OUTPUT),
        **_kinds("AvgPool AvgPool3D", window_fields.pooled),
        **_kinds("MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3", op_fields.matmul, keeps=INPUT),
        **_kinds("Einsum XlaEinsum", op_fields.einsum, keeps=INPUT),
        **_kinds("Sum Mean All Any ArgMax ArgMin", op_fields.reduced),
        **_kinds("Max Min Prod EuclideanNorm", op_fields.reduced, keeps=INPUT | OUTPUT),
        **_kinds("Cumsum Cumprod", op_fields.cumulative),
        **_kinds("Reshape Squeeze ExpandDims", layer_fields.reshape, storage=Storage.ALIAS),
        **_kinds("Transpose", op_fields.transpose),
        **_kinds("Slice StridedSlice", op_fields.sliced),
        **_kinds("Split SplitV", op_fields.split),
        **_kinds("Pad PadV2 MirrorPad", window_fields.padded),
        **_kinds("ConcatV2 Concat", op_fields.concat),
        **_kinds("Pack", op_fields.pack),
        **_kinds("Unpack", op_fields.unpack),
        **_kinds("Tile", op_fields.tiled),
        **_kinds("GatherV2 Gather ResourceGather", op_fields.gathered),
        **_kinds("OneHot", op_fields.one_hot),
        **_kinds("DepthToSpace", window_fields.depth_to_space),
        **_kinds("SpaceToDepth", window_fields.space_to_depth),
        **_kinds("SpaceToBatchND", window_fields.space_to_batch),
        **_kinds("BatchToSpaceND", window_fields.batch_to_space),
        **_kinds("ResizeNearestNeighbor ResizeBilinear ResizeBicubic", window_fields.resized),
        **_kinds("TensorListGetItem", op_fields.list_get_item),
        **_kinds("TensorListSetItem", op_fields.list_set_item),
    }
)
