"""`Work`: arithmetic by kind; `Convention`: how it becomes MACs and FLOPs.

A rule counts each kind of arithmetic (multiply-adds, normalised elements, pooled elements, ...); a
convention weighs the kinds. One analysis thus serves every convention.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True)
class Work:
    """The arithmetic of one or more operations, by kind, in plain counts.

    Attributes:
        macs: multiply-adds of convolutions, dense layers and matrix products.
        bias: elements to which a bias is added.
        batch_norm: elements normalised by stored statistics.
        layer_norm: elements normalised by statistics of the input (layer, group, RMS).
        pooling: elements read by pooling windows (window x outputs; globally: all inputs).
        elementwise: element operations of everything else: activations, merges, rescaling.
    """

    macs: int = 0
    bias: int = 0
    batch_norm: int = 0
    layer_norm: int = 0
    pooling: int = 0
    elementwise: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> Work:
        return Work(*(value * times for value in astuple(self)))

    def with_macs(self, macs: int) -> Work:
        """Return a copy with other multiply-adds."""
        return replace(self, macs=macs)

    def others(self) -> int:
        """Return the number of operations other than multiply-adds."""
        return sum(astuple(self)) - self.macs

    def per_image(self, batch: int) -> Work:
        """Return the work of one image, given that of ``batch`` images."""
        return Work(*(value // batch for value in astuple(self)))


NOTHING = Work()


@dataclass(frozen=True)
class Convention:
    """The weights by which one source counts.

    Attributes:
        statement: the convention in words, printed with the numbers.
        mac_weight: FLOPs per multiply-add.
        weights: FLOPs per unit of the other fields of ``Work``; 0 if absent.
        flops_are_macs: the source prints one number only, and calls it MACs as well.
        traced: its FLOPs are those of TensorFlow's operations, not of layers.
    """

    statement: str
    mac_weight: int
    weights: Mapping[str, int]
    flops_are_macs: bool = False
    traced: bool = False

    def macs(self, work: Work) -> int:
        """Return the MACs of ``work`` as this source prints them."""
        return self.flops(work) if self.flops_are_macs else work.macs

    def flops(self, work: Work) -> int:
        """Return the FLOPs of ``work`` as this source prints them."""
        others = sum(getattr(work, kind) * weight for kind, weight in self.weights.items())
        return self.mac_weight * work.macs + others


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "papers": Convention(
            "MACs: one per multiply-add of convolutions, dense layers and matrix products. "
            "FLOPs: 2 x MACs, plus one per bias add, 2 per normalised element, the window per "
            "pooled output, 1 per element of activations and element operations.",
            2,
            {"bias": 1, "batch_norm": 2, "layer_norm": 2, "pooling": 1, "elementwise": 1},
        ),
        # Checked against all same-graph rows of timm's tables: gmacs = MACs + 2 BN + 5 LN.
        # fvcore counts adaptive pooling too, below the tables' rounding; gates of
        # squeeze-and-excitation pool by `mean`, which it does not count.
        "timm": Convention(
            "timm (fvcore): one per multiply-add, 2 per batch-normalised and 5 per "
            "layer-normalised element; biases, activations, pooling and element operations 0.",
            1,
            {"batch_norm": 2, "layer_norm": 5},
            flops_are_macs=True,
        ),
        "torchvision": Convention(
            "torchvision: its GFLOPS are one per multiply-add; everything else 0.",
            1,
            {},
            flops_are_macs=True,
        ),
        "tf-profiler": Convention(
            "tf.compat.v1.profiler: FLOPs as TensorFlow's registry has them for the operations of "
            "the traced graph: 2 per multiply-add, 1 per bias add, the window per pooled output, "
            "1 per element operation, 5 per softmax element; ReLU, sigmoid, tanh and fused batch "
            "normalisation 0. Functions that the graph calls are entered, where the profiler "
            "itself skips them.",
            2,
            {},
            traced=True,
        ),
    }
)
