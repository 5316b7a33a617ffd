"""Feature maps of a backbone at each of its resolutions, for heads that do not use the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cnnbench.errors import UserError
from cnnbench.models import keras_graph
from cnnbench.models.heads import maps_of
from cnnbench.models.keras_graph import Node
from cnnbench.named import show

_BEFORE_CONVOLUTIONS = ("Rescaling", "Normalization")
"""Layers that may have weights and still pass on the image."""
_MOVING = ("ZeroPadding2D", "Cropping2D")
"""Layers that prepare maps for the next one."""
_GATE = "Multiply"
"""Merges maps with their own gate: squeeze-and-excitation, and the hard swish of Keras 2."""


def resolutions(backbone: Any) -> list[Any]:
    """Return the last maps ``(n, height, width, channels)`` of each resolution, finest first.

    A resolution has at least twice as many positions as the next. The maps returned are the last
    ones of the resolution through which every path from the image to the output passes: the end of
    a residual stage, or the expansion before the stride in MobileNetV2. If all maps are inside
    branches, as in NASNet, they are the last ones that merge branches. Layers inside nested models
    are not considered.

    Args:
        backbone: a functional ``keras.Model`` from images to maps.

    Raises:
        UserError: the backbone returns vectors, or maps of unknown size.
    """
    maps = maps_of(backbone)
    size_of(maps)
    found, is_cut = [maps], True
    for candidate, cuts, _ in _candidates(backbone, maps):
        ratio = _places(candidate) / _places(found[-1])
        if ratio >= 2:
            found.append(candidate)
            is_cut = cuts
        elif ratio >= 1 and cuts and not is_cut:
            found[-1], is_cut = candidate, True
    return found[::-1]


def stage_maps(backbone: Any) -> list[Any]:
    """Return maps of each resolution as `resolutions` does, but before an expansion of channels.

    Where the last maps of a resolution have more channels than the last ones that merge branches
    at the same size, it is the latter: the end of MobileNetV2's unit, not the expansion in the next
    one. The coarsest maps are always the output.

    Raises:
        UserError: the backbone returns vectors, or maps of unknown size.
    """
    *finer, last = resolutions(backbone)
    merged: dict[tuple[int, int], Any] = {}
    for candidate, cuts, joins in _candidates(backbone, last):
        if cuts and joins:
            merged.setdefault(size_of(candidate), candidate)
    ends = [merged.get(size_of(maps), maps) for maps in finer]
    pairs = zip(finer, ends, strict=True)
    return [*(end if end.shape[-1] < maps.shape[-1] else maps for maps, end in pairs), last]


def from_finest(backbone: Any, places: Sequence[int], hint: str) -> list[Any]:
    """Return the coarsest maps of at least a given size, and all coarser ones, finest first.

    Args:
        backbone: as for `resolutions`.
        places: the least numbers of rows and columns.
        hint: alternative to a larger image, for the message.

    Raises:
        UserError: the image is too small: all maps have fewer rows or columns.
    """
    known = resolutions(backbone)
    enough = [
        at
        for at, maps in enumerate(known)
        if all(size >= least for size, least in zip(size_of(maps), places, strict=True))
    ]
    if not enough:
        raise UserError(
            f"an image of {show(image_size(backbone))} is too small: the finest maps of "
            f"'{backbone.name}' have {show(size_of(known[0]))} positions, and its head needs "
            f"{show(tuple(places))}",
            hint=f"set a larger input_shape, or {hint}",
        )
    return known[enough[-1] :]


def image_size(backbone: Any) -> tuple[int, int]:
    """Return the height and width of a backbone's input, px.

    Raises:
        UserError: the input may have any size.
    """
    return size_of(backbone.inputs[0])


def size_of(maps: Any) -> tuple[int, int]:
    """Return rows and columns of symbolic maps or images.

    Raises:
        UserError: they are unknown.
    """
    _, height, width, _ = maps.shape
    if height is None or width is None:
        raise UserError(
            "its head depends on the size of the maps, and the size of the maps is not known",
            hint="set input_shape",
        )
    return int(height), int(width)


def _places(maps: Any) -> int:
    height, width = size_of(maps)
    return height * width


def _candidates(backbone: Any, output: Any) -> Iterator[tuple[Any, bool, bool]]:
    """Yield maps before ``output``, the last first.

    With each: whether every path passes through them, and whether they merge branches other than a
    gate. Maps inside branches are omitted unless they merge branches.
    """
    path = _path_to(output, keras_graph.layer_graph(backbone))
    weighted = [at for at, node in enumerate(path) if _has_kernel(node)]
    bypassed = _last_bypass(path)
    for at in range(len(path) - 2, min(weighted, default=len(path)) - 1, -1):
        node = path[at]
        if len(node.outputs) != 1 or type(node.layer).__name__ in _MOVING:
            continue
        (made,) = node.outputs
        if len(made.shape) != 4 or None in made.shape[1:3]:
            continue
        is_cut = bypassed[at] <= at
        merges = sum(len(one.shape) == 4 for one in node.inputs) > 1
        if is_cut or merges:
            yield made, is_cut, merges and type(node.layer).__name__ != _GATE


def _path_to(output: Any, graph: Any) -> list[Node]:
    """Return the nodes of a functional graph that ``output`` depends on, in order of execution."""
    needed, found = {id(output)}, []
    for node in reversed([] if graph is None else list(keras_graph.graph_nodes(graph))):
        if any(id(one) in needed for one in node.outputs):
            found.append(node)
            needed.update(id(one) for one in node.inputs)
    return found[::-1]


def _last_bypass(path: Sequence[Node]) -> list[int]:
    """Return for each node the last node that uses an output made before it.

    If that is not later than the node itself, every path passes through its output.
    """
    last_use = {id(one): at for at, node in enumerate(path) for one in node.inputs}
    made = {id(one) for node in path for one in node.outputs}
    reach = max((at for symbol, at in last_use.items() if symbol not in made), default=-1)
    found = []
    for node in path:
        found.append(reach)
        reach = max([reach, *(last_use.get(id(one), -1) for one in node.outputs)])
    return found


def _has_kernel(node: Node) -> bool:
    has_weights = bool(getattr(node.layer, "weights", ()))  # operations of Keras 3 have none
    return has_weights and type(node.layer).__name__ not in _BEFORE_CONVOLUTIONS
