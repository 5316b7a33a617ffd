"""Outputs of a detector: which of a network's they are, and what they say of an image."""

from __future__ import annotations

from collections.abc import Mapping

from cnnbench.errors import UserError
from cnnbench.models import output_names
from cnnbench.tasks.task import Shape
from cnnbench.text import shape_text

BOXES, CLASSES, SCORES = "boxes", "classes", "scores"

_COORDINATES = 4
EXPECTED = (
    "a detector returns one output, a grid (rows, columns, values), or two: 'boxes', four values "
    "a box, and 'classes' (of boxes relative to anchors) or 'scores' (of ready boxes)"
)


def paths(outputs: Mapping[str, Shape], wanted: str | None, label: str) -> str | dict[str, str]:
    """Return the path of the grid, or those of the boxes and of their classes or scores.

    Of several outputs those count whose last name is ``boxes``, ``classes`` and ``scores``.
    ``wanted`` selects the output, or those whose paths begin with it.

    Raises:
        UserError: there are no such outputs, or their shapes are not a detector's.
    """
    known = dict(outputs)
    if wanted is not None:
        known = {path: known[path] for path in known if f"{path}.".startswith(f"{wanted}.")}
        if not known:
            output_names.select(list(outputs), wanted, label)  # raises, with the nearest
    if len(known) == 1:
        ((path, shape),) = known.items()
        if len(shape) == 4:
            return path
    by_name = {path.rpartition(".")[2]: path for path in known}
    others = [role for role in (CLASSES, SCORES) if role in by_name]
    if BOXES in by_name and len(others) == 1:
        found = {role: by_name[role] for role in (BOXES, others[0])}
        shapes = [known[path] for path in found.values()]
        if all(len(shape) == 3 for shape in shapes) and shapes[0][2] == _COORDINATES:
            return found
    has = ", ".join(
        f"{path or 'one output'} ({shape_text(shape[1:])})" for path, shape in outputs.items()
    )
    raise UserError(f"{label}: {EXPECTED}", hint=f"it returns {has}")
