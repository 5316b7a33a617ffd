"""Operations of a network as an inference runtime executes them: plain numbers per image.

Runtimes fold batch normalisation into the convolution before it and apply ReLU as the convolution
writes its output, so that neither takes time of its own; a list of layers would count both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal, get_args

from cnnbench.analysis.graph import Graph, Op, Tensor
from cnnbench.analysis.rule import names

Kind = Literal[
    "convolution",
    "depthwise",
    "dense",
    "product",
    "pooling",
    "normalisation",
    "activation",
    "elementwise",
    "copy",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_WITH_WEIGHTS: tuple[Kind, ...] = ("convolution", "depthwise", "dense")
_PRODUCTS: tuple[Kind, ...] = (*_WITH_WEIGHTS, "product")

# Functions that are clamps, which a runtime applies as the operation before writes its output.
_CLAMPS = frozenset(("relu", "relu6", "linear", "clip", "clipbyvalue"))
# Functions of a few instructions; all others (sigmoid, swish, GELU) are approximated by many.
_CHEAP = frozenset(
    (*_CLAMPS, "leakyrelu", "leaky_relu", "prelu", "abs", "neg", "negative", "square", "maximum")
)
_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
_WITH_KERNEL = (*_CONVOLUTIONS, "DepthwiseConv")
_BATCH_NORM = ("BatchNormalization", "SyncBatchNormalization", "FusedBatchNorm")


@dataclass(frozen=True)
class Operation:
    """One operation that a runtime executes; all numbers but those of the kernel are per image.

    Attributes:
        kind: what it computes; ``product`` is any matrix product other than a dense layer.
        macs: multiply-adds.
        reads, writes: elements of its inputs and outputs.
        weights: elements of its kernel.
        inputs, outputs: channels of its first input and of its output.
        window: positions of its kernel or pooling window; 1 if it has none.
        groups: of a convolution.
        positions: elements of a channel of the output.
    """

    kind: Kind
    macs: int
    reads: int
    writes: int
    weights: int = 0
    inputs: int = 1
    outputs: int = 1
    window: int = 1
    groups: int = 1
    positions: int = 1

    def to_json(self) -> list[Any]:
        """Return the values in the order of the fields."""
        return list(asdict(self).values())

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Operation:
        """Return the operation with these values.

        Raises:
            ValueError: they are not those of an operation.
        """
        kind, *numbers = values
        if kind not in KINDS or len(numbers) != 9 or {type(n) for n in numbers} != {int}:
            raise ValueError("not an operation")
        return cls(kind, *numbers)


def of_graph(graph: Graph) -> list[Operation]:
    """Return the operations of a counted network, without those that a runtime fuses."""
    readers = Counter(tensor for op in graph.ops for tensor in op.inputs)
    readers.update(graph.outputs)
    # Tensor -> the operation that a clamp behind it would be fused with, and whether that has a
    # kernel into which a batch normalisation can be folded.
    fusable: dict[Tensor, bool] = {}
    found: list[Operation] = []
    for op in graph.ops:
        if not op.inputs or not op.outputs:
            continue
        before = fusable.get(op.input) if readers[op.input] == 1 else None
        if op.is_alias:
            if before is not None:
                fusable[op.output] = before
            continue
        name = _function(op)
        if before is not None and name in _CLAMPS:
            fusable[op.output] = False
            continue
        if before and op.kind.startswith(_BATCH_NORM):
            fusable[op.output] = True
            continue
        made = list(_operations(op))
        found += made
        if made and made[-1].kind not in ("activation", "copy"):
            has_kernel = made[-1].kind in _WITH_WEIGHTS
            fusable[op.output] = has_kernel and _activation(op.layer) is None
    return found


def _operations(op: Op) -> Iterator[Operation]:
    """Yield the operations of one call: two for a separable convolution or a costly activation."""
    images = op.input.images
    reads = sum(tensor.elements for tensor in op.inputs) // images
    writes = sum(tensor.elements for tensor in op.outputs) // images
    channels = _channels(op, op.input), _channels(op, op.output)
    positions = writes // max(channels[1], 1)
    kind = _kind(op)
    if op.kind.startswith("SeparableConv"):
        yield from _separable(op, reads, writes, channels)
    else:
        window, groups = _kernel(op) if kind in _PRODUCTS else (_window(op), 1)
        yield Operation(
            kind, op.work.macs // images, reads, writes, _weights(kind, channels, window, groups),
            *channels, window, groups, positions,
        )  # fmt: skip
    ending = _activation(op.layer) if kind in _PRODUCTS else None
    if ending is not None and ending not in _CHEAP:
        both = (channels[1], channels[1])
        yield Operation("activation", 0, writes, writes, 0, *both, 1, 1, positions)


def _separable(op: Op, reads: int, writes: int, channels: tuple[int, int]) -> Iterator[Operation]:
    """Yield the depthwise convolution and the 1x1 convolution of a separable one."""
    window, maps = prod(op.layer.kernel_size), channels[0] * op.layer.depth_multiplier
    positions = writes // max(channels[1], 1)
    between = positions * maps
    yield Operation(
        "depthwise", between * window, reads, between, maps * window,
        channels[0], maps, window, channels[0], positions,
    )  # fmt: skip
    yield Operation(
        "convolution", writes * maps, between, writes, maps * channels[1],
        maps, channels[1], 1, 1, positions,
    )  # fmt: skip


def _kind(op: Op) -> Kind:
    """Return the kind of an operation, from its name and from the arithmetic counted of it."""
    if op.kind.startswith("DepthwiseConv"):
        return "depthwise"
    if op.kind.startswith(_CONVOLUTIONS):
        groups = _kernel(op)[1]
        return "depthwise" if groups > 1 and groups == _channels(op, op.input) else "convolution"
    if op.kind in ("Dense", "MatMul") and (op.layer is not None or op.is_weighted):
        return "dense"
    if op.work.macs:
        return "product"
    if op.work.layer_norm or op.kind == "LRN":
        return "normalisation"
    if op.work.pooling:
        return "pooling"
    if not op.work.others():
        return "copy"
    name = _function(op)
    return "elementwise" if name is None or name in _CHEAP else "activation"


def _function(op: Op) -> str | None:
    """Return the name of the activation that an operation consists of; None if it is another."""
    if op.kind == "Activation":
        return _activation(op.layer) or "linear"
    name = op.kind.lower()
    return name if name in _CLAMPS or name in _FUNCTIONS else None


_FUNCTIONS = frozenset(
    names(
        "leakyrelu prelu elu selu sigmoid hardsigmoid hard_sigmoid tanh softmax logsoftmax silu "
        "swish hardsilu hard_silu hardswish gelu mish softplus exp erf log rsqrt sqrt pow"
    )
)


def _activation(layer: Any) -> str | None:
    """Return the name of the activation that a layer ends in; None if it has none."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "") if activation is not None else ""
    return None if name in ("", "linear") else str(name).lower()


def _channels(op: Op, tensor: Tensor) -> int:
    """Return the channels of a tensor; 1 for one without axes but that of the batch."""
    is_first = getattr(op.layer, "data_format", None) == "channels_first"
    sizes = tensor.sizes[1:]
    return int(sizes[0 if is_first else -1]) if sizes else 1


def _kernel(op: Op) -> tuple[int, int]:
    """Return the positions of a kernel and the groups of a convolution."""
    size = getattr(op.layer, "kernel_size", None)
    if size is not None:
        return prod(size), int(getattr(op.layer, "groups", 1))
    shapes = [tensor.shape for node, _ in op.nodes for tensor in node.inputs[1:2]]
    if op.kind.startswith(_WITH_KERNEL) and shapes and shapes[0].is_fully_defined():
        *window, inputs, _ = shapes[0].as_list()
        return prod(window), max(_channels(op, op.input) // max(inputs, 1), 1)
    return 1, 1


def _window(op: Op) -> int:
    """Return how many elements an output of pooling is computed from; 1 for another operation."""
    return max(op.work.pooling // max(op.output.elements, 1), 1)


def _weights(kind: Kind, channels: tuple[int, int], window: int, groups: int) -> int:
    """Return the elements of a kernel; 0 for an operation of its inputs alone."""
    if kind not in _WITH_WEIGHTS:
        return 0
    if kind == "depthwise":
        return channels[1] * window
    return channels[0] * channels[1] * window // groups
