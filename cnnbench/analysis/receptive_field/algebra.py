"""Operations on receptive fields: sums, windows, reshaping, slices, joins and loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from cnnbench.analysis.receptive_field.field import (
    LISTED,
    Factor,
    Field,
    Place,
    fixed_axis,
    moving,
)
from cnnbench.analysis.rule import Window


def unruled(fields: Sequence[Field], sizes: Sequence[int], name: str) -> Field:
    """Return the field of an unknown operation: lost unless it is the same at every position."""
    field = joined([one.placed([]) for one in fields], (), name)
    if any(factor.size > 1 for one in fields for factor in moving(one.places)):
        return field.without_positions(name, sizes)
    return field.placed(map(fixed_axis, sizes))


def contracted(field: Field, places: Iterable[int], name: str) -> Field:
    """Return the field after a reduction over some axes of the tensor, which keep their place.

    A reduction over some of the positions, such as those inside a window, enlarges the field by
    them. A reduction over all positions does not enlarge it but is named.
    """
    chosen = set(places)
    summed = [f for f in moving(field.places[place] for place in sorted(chosen)) if f.size > 1]
    rest = moving(p for place, p in enumerate(field.places) if place not in chosen)
    axes, sees_all = list(field.axes), field.sees_all
    for factor in summed:
        if factor.axis != LISTED and any(_separates(factor, other) for other in rest):
            axis = axes[factor.axis]
            axes[factor.axis] = replace(axis, end=axis.end + (factor.size - 1) * factor.step)
        else:
            sees_all = sees_all or name
    return replace(field, axes=tuple(axes), sees_all=sees_all, plain=False)


def _separates(inner: Factor, other: Factor) -> bool:
    """Return whether another factor of the same axis separates groups of ``inner``."""
    if inner.axis != other.axis or other.size < 2:
        return False
    if inner.cuts or other.cuts:
        return True
    return other.step >= inner.size * inner.step or other.size * other.step <= inner.step


def windowed(field: Field, windows: Mapping[int, Window], sizes: Sequence[int], name: str) -> Field:
    """Return the field after windows along some axes; ``sizes`` are those of the output."""
    axes, places, lost = list(field.axes), list(field.places), field.lost
    for place, window in windows.items():
        factors = _simplified(places[place])
        spread = [f for f in factors if f.moves]
        if any(f.axis == LISTED for f in factors):
            lost = lost or (name if window.extent > 1 else "")
            places[place] = (Factor(sizes[place], LISTED),)
            continue
        if len(factors) == 2 and factors[0].moves and not factors[1].moves:
            # Copies next to one another, as a channel that was turned into positions.
            copies = factors[1].size
            axis = axes[factors[0].axis]
            axes[factors[0].axis] = axis.through(
                Window(copies, before=copies - 1, scale=copies), factors[0].step
            )
            step = factors[0].step / copies
        elif len(factors) == 1 and spread:
            step = factors[0].step
        else:
            unseen = window.extent > 1 and (spread or (not axes and factors))
            lost = lost or (name if unseen else "")
            places[place] = fixed_axis(sizes[place])
            continue
        moved = spread[0].axis
        axes[moved] = axes[moved].through(window, step)
        places[place] = (Factor(sizes[place], moved, axes[moved].stride),)
    return replace(field.placed(places), axes=tuple(axes), lost=lost)


def _simplified(place: Place) -> Place:
    """Return the same axis with as few factors as possible."""
    found: list[Factor] = []
    for factor in place:
        if factor.size == 1 and len(place) > 1:
            continue
        last = found[-1] if found else None
        if last and last.axis == factor.axis and last.step == factor.size * factor.step:
            found[-1] = Factor(last.size * factor.size, factor.axis, factor.step)
        else:
            found.append(factor)
    return tuple(found)


def reshaped(field: Field, before: Sequence[int], after: Sequence[int], name: str) -> Field:
    """Return the field after a reshape."""
    first = 0
    while first < min(len(before), len(after)) and before[first] == after[first]:
        first += 1
    last = 0
    while last < min(len(before), len(after)) - first and before[-1 - last] == after[-1 - last]:
        last += 1
    ends = len(before) - last
    factors = [f for place in field.places[first:ends] for f in place if f.size > 1]
    middle: list[Place] = []
    for size in after[first : len(after) - last]:
        place = _take_factors(factors, size)
        if place is None:
            return (
                field.without_positions(name, after)
                if moving(field.places)
                else field.placed(map(fixed_axis, after))
            )
        middle.append(place)
    return field.placed([*field.places[:first], *middle, *field.places[ends:]])


def regrouped(
    field: Field,
    before: Sequence[int],
    parts: Sequence[int],
    order: Sequence[int],
    after: Sequence[int],
    name: str,
) -> Field:
    """Return the field after a reshape to ``parts``, a transposition and another reshape."""
    field = reshaped(field, before, parts, name)
    field = field.placed(field.places[axis] for axis in order)
    return reshaped(field, [parts[axis] for axis in order], after, name)


def _take_factors(factors: list[Factor], size: int) -> Place | None:
    """Take factors of ``size`` steps from the front of a list, or None where none fit."""
    found: list[Factor] = []
    while size > 1:
        if not factors:
            return None
        factor = factors.pop(0)
        if size % factor.size == 0:
            found.append(factor)
            size //= factor.size
        elif factor.size % size == 0:
            inner = factor.size // size
            found.append(replace(factor, size=size, step=factor.step * inner))
            factors.insert(0, replace(factor, size=inner))
            size = 1
        else:
            return None
    return tuple(found)


def sliced(field: Field, place: int, start: int, step: int, size: int, name: str) -> Field:
    """Return the field of positions ``start``, ``start + step``, ... of one axis."""
    factors = _simplified(field.places[place])
    places = list(field.with_size(place, size).places)
    if not moving([factors]):
        return field.placed(places)
    if any(f.axis == LISTED for f in factors):
        places[place] = (Factor(size, LISTED),)
        return field.placed(places)
    if len(factors) > 1 or step < 1:
        return field.without_positions(name, [prod(f.size for f in one) for one in places])
    factor = factors[0]
    axes = list(field.axes)
    axes[factor.axis] = axes[factor.axis].through(Window(1, step, -start), factor.step)
    places[place] = (Factor(size, factor.axis, factor.step * step),)
    return replace(field.placed(places), axes=tuple(axes))


def cut(place: Place, indices: Sequence[int]) -> Place | None:
    """Return the axis of equally spaced windows cut out of an axis, one after another.

    Args:
        place: the axis.
        indices: of its positions. None is returned unless they are 0, 1, ... size - 1, then
            stride, stride + 1, ... and so on.
    """
    factors, found = _simplified(place), [int(index) for index in np.ravel(indices)]
    starts = [at for at, index in enumerate(found) if at == 0 or index != found[at - 1] + 1]
    size = len(found) // len(starts)
    stride = found[starts[1]] if len(starts) > 1 else size
    regular = [start * stride + offset for start in range(len(starts)) for offset in range(size)]
    if len(factors) != 1 or factors[0].axis == LISTED or found != regular or stride < 1:
        return None
    (whole,) = factors
    step = whole.step
    return (Factor(len(starts), whole.axis, step * stride, True), Factor(size, whole.axis, step))


def joined(fields: Sequence[Field], sizes: Sequence[int], name: str) -> Field:
    """Return the field of an element-wise operation on all of them, axes aligned at the end."""
    found = fields[0]
    for other in fields[1:]:
        found = _merge(found, other)
    places, lost = [], found.lost
    for place, size in enumerate(sizes):
        here = [
            field.places[place - len(sizes) + len(field.places)]
            for field in fields
            if place - len(sizes) + len(field.places) >= 0
        ]
        full = [one for one in here if prod(f.size for f in one) == size]
        spread = [one for one in full if moving([one])]
        kinds = {tuple((f.size, f.axis) for f in _simplified(one)) for one in spread}
        if len(kinds) > 1:
            lost = lost or name
        chosen = max(spread, key=lambda one: max(f.step for f in one), default=fixed_axis(size))
        places.append(chosen)
    plain = len(fields) == 1 and fields[0].plain
    return replace(found.placed(places), lost=lost, plain=plain)


def _merge(one: Field, other: Field) -> Field:
    if len(one.axes) != len(other.axes):
        axes = max(one, other, key=lambda field: len(field.axes)).axes
    else:
        axes = tuple(a.joined(b) for a, b in zip(one.axes, other.axes, strict=True))
    return Field(
        axes,
        (),
        one.sees_all or other.sees_all,
        one.lost or other.lost,
        loop_axis=one.loop_axis or other.loop_axis,
    )


def carried(field: Field, name: str) -> Field:
    """Return the field passed to the next iteration of a loop, merged along the loop's axis."""
    if not field.loop_axis:
        return field
    return replace(field, sees_all=field.sees_all or name, loop_axis=())


def concatenated(
    fields: Sequence[Field | None],
    widths: Sequence[int],
    place: int,
    sizes: Sequence[int],
    name: str,
) -> Field:
    """Return the field of a concatenation; None is a tensor that depends on no input."""
    known = [(field, at) for at, field in enumerate(fields) if field is not None]
    spread = [field for field, _ in known if moving([field.places[place]])]
    beside = [size if at != place else 1 for at, size in enumerate(sizes)]
    flat = [field.with_size(place, 1) for field, _ in known]
    result = joined(flat, beside, name).with_size(place, sizes[place])
    if not spread:
        return result
    field, at = known[0]
    if len(known) > 1 or any(factor.axis == LISTED for factor in field.places[place]):
        places = [*result.places[:place], (Factor(sizes[place], LISTED),)]
        return result.placed([*places, *result.places[place + 1 :]])
    return windowed(field, {place: Window(1, 1, sum(widths[:at]))}, sizes, name)
