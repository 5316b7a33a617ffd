"""Costs of the operations of a network: one sum for each kind of work that takes a runtime time.

A latency is modelled as a sum of such costs, each times a number of seconds that is not negative
(`fitting`): multiply-adds by kind of kernel, bytes moved, weights read, and a constant per call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from cnnbench.forecast.operations import Operation

Cost = Callable[[Operation], float]

# Output channels that a kernel of XNNPACK and oneDNN computes together: two AVX-512 registers, or
# four AVX2 registers. A layer with fewer, or with a remainder, wastes the rest of a tile.
_TILE = 16


def _only(condition: Callable[[Operation], bool], cost: Cost) -> Cost:
    return lambda one: cost(one) if condition(one) else 0.0


def _tiled_macs(one: Operation) -> float:
    """Return the multiply-adds of whole tiles of output channels."""
    each = max(one.outputs // one.groups, 1)
    return one.macs * (-(-each // _TILE) * _TILE) / each


def _is_pointwise(one: Operation) -> bool:
    return one.kind == "convolution" and one.window == 1 and one.groups == 1


def _is_window(one: Operation) -> bool:
    return one.kind == "convolution" and one.window > 1 and one.groups == 1


def _is_grouped(one: Operation) -> bool:
    return one.kind == "convolution" and one.groups > 1


def _is(kind: str) -> Callable[[Operation], bool]:
    return lambda one: one.kind == kind


def _moved(one: Operation) -> float:
    return one.reads + one.writes


COSTS: Mapping[str, Cost] = MappingProxyType(
    {
        "calls": lambda one: 1.0,
        "pointwise_macs": _only(_is_pointwise, _tiled_macs),
        "window_macs": _only(_is_window, _tiled_macs),
        "grouped_macs": _only(_is_grouped, _tiled_macs),
        "depthwise_macs": _only(_is("depthwise"), lambda one: one.macs),
        "product_macs": _only(_is("product"), lambda one: one.macs),
        "dense_weights": _only(_is("dense"), lambda one: one.weights),
        "convolution_weights": _only(_is("convolution"), lambda one: one.weights),
        "convolution_moved": _only(_is("convolution"), _moved),
        "depthwise_moved": _only(_is("depthwise"), _moved),
        "pooled": _only(_is("pooling"), lambda one: one.writes * one.window),
        "normalised": _only(_is("normalisation"), lambda one: one.writes),
        "activated": _only(_is("activation"), lambda one: one.writes),
        "elementwise_moved": _only(_is("elementwise"), _moved),
        "copied": _only(_is("copy"), _moved),
    }
)

MACS = "macs"


def costs(operations: Sequence[Operation]) -> np.ndarray:
    """Return one sum per entry of `COSTS`: ``(costs,)`` float64, for one image."""
    return np.array([sum(map(cost, operations)) for cost in COSTS.values()], np.float64)


def macs(operations: Sequence[Operation]) -> int:
    """Return the multiply-adds of a network for one image."""
    return sum(one.macs for one in operations)
