"""Joining, slicing, padding and reshaping: no arithmetic, but positions move.

Each function gives the windows of one call, or None where outputs do not follow the inputs'
positions along their axes: then the receptive field is reported as not followed, never guessed.
"""

from __future__ import annotations

from typing import Any

from cnnbench.analysis.graph import Op
from cnnbench.analysis.rule import Window, Windows

STAY = Window()


def stays(op: Op) -> Windows | None:
    """Every output position is the input position of its place, if no axis changes its size."""
    if not op.input.spatial:
        return ()
    before, after = op.input.sizes[1:-1], op.output.sizes[1:-1]
    return (STAY,) * len(before) if before == after else None


def unknown(op: Op) -> Windows | None:
    """Moved in a way that windows cannot say."""
    return None if op.input.spatial else ()


def joined(op: Op) -> Windows | None:
    """Joined along the channels every position stays; along another axis they move."""
    if not op.input.spatial:
        return ()
    rank = len(op.output.shape)
    axis = getattr(op.layer, "axis", None)
    return (STAY,) * (rank - 2) if axis is not None and axis % rank in (0, rank - 1) else None


def reshaped(op: Op) -> Windows | None:
    """Channels may be cut into groups and put together again: the leading axes stay."""
    before, after = op.input.sizes, op.output.sizes
    positions = min(len(before), len(after)) - 2
    if not op.input.spatial or not op.output.spatial or set(before[1:-1]) == {1}:
        return ()
    return (STAY,) * positions if before[1 : 1 + positions] == after[1 : 1 + positions] else None


def turned(op: Op) -> Windows | None:
    """A permutation that leaves the order of the axes of an image as it is, channels apart."""
    if not op.input.spatial:
        return ()
    rank = len(op.input.shape)
    dims = getattr(op.layer, "dims", None)
    axes = (0, *dims) if dims is not None else tuple(op.layer.axes or range(rank)[::-1])
    inner = tuple(range(1, rank))
    leading = axes[1:-2] == inner[:-2] and rank > 4  # a shuffle of channels
    to_front, to_back = (rank - 1, *inner[:-1]), (*inner[1:], 1)
    kept = leading or axes[1:] in (inner, to_front, to_back)
    return (STAY,) * (rank - 2) if kept else None


def padded(op: Op) -> Windows | None:
    """``ops.pad``: moved by what is put before."""
    widths = getattr(op.layer, "pad_width", None)
    if widths is None or not op.input.spatial:
        return None if op.input.spatial else ()
    return tuple(Window(before=int(pair[0])) for pair in widths[1:-1])


def sliced(op: Op) -> Windows | None:
    """``x[:, a::s, b::t]``: output ``u`` is input ``a + s u``."""
    key = op.args[1] if len(op.args) > 1 else None
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        missing = len(op.input.shape) - len(keys) + 1
        keys[place : place + 1] = [slice(None)] * missing
    spatial = keys[1 : len(op.input.shape) - 1]
    spatial += [slice(None)] * (len(op.input.shape) - 2 - len(spatial))
    found = [_slice_window(one) for one in spatial]
    return None if None in found else tuple(one for one in found if one is not None)


def _slice_window(key: Any) -> Window | None:
    if not isinstance(key, slice) or (key.start or 0) < 0 or (key.step or 1) < 1:
        return None
    return Window(1, key.step or 1, -(key.start or 0))


def mixes_positions(op: Op) -> bool:
    """Whether a reduction runs over positions, not over channels alone."""
    if not op.input.spatial:
        return False
    positions = op.input.sizes[1:-1]
    return op.output.sizes[1 : 1 + len(positions)] != positions


def normalises_positions(op: Op) -> bool:
    """Whether a normalisation takes its statistics over positions too."""
    axis = op.layer.axis
    axes = axis if isinstance(axis, list | tuple) else (axis,)
    rank = len(op.input.shape)
    return any(0 < one % rank < rank - 1 for one in axes)
