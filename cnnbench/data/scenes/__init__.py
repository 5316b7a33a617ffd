"""``scenes``: garments on a noisy ground, with boxes, masks and tracks; generated, no download.

20,000 training and 2,000 test scenes of 112 px, grey. Parameters change one thing each:
``scenes[objects=1,px=64,sides=10-44]``. docs/scenes.md describes the data set; `generate` makes
single scenes, `sequences` moving ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnnbench.data.datasets import Facts, Request
from cnnbench.errors import UserError, nearest_or_all
from cnnbench.named import Value, show

if TYPE_CHECKING:
    from cnnbench.data.annotations import Kind
    from cnnbench.data.pictures import Splits

Range = tuple[int, int]

TRAINING_SCENES, TEST_SCENES = 20_000, 2_000
_USUAL_PX, _USUAL_SIDES = 112, (20, 56)
_LARGEST_PX, _SMALLEST_PX = 1024, 32
_SMALLEST_SIDE = 6  # px; the mask of a smaller garment can be empty
_MOST_OBJECTS = 50
_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")


@dataclass(frozen=True)
class Recipe:
    """The properties of a scene that seed and index do not decide.

    Attributes:
        objects: the fewest and the most garments; one that would hide too much is not drawn.
        px: side of a scene.
        sides: smallest and largest side of the square picture of a garment, in px.
    """

    objects: Range = (1, 6)
    px: int = _USUAL_PX
    sides: Range = _USUAL_SIDES

    def scaled(self, px: int) -> Recipe:
        """Return the recipe for another size of scenes, with garments in proportion."""
        smallest, largest = ((side * px + self.px // 2) // self.px for side in self.sides)
        return replace(self, px=px, sides=(smallest, largest))


@dataclass(frozen=True)
class Scenes:
    """The scenes of a recipe."""

    recipe: Recipe = Recipe()

    @property
    def facts(self) -> Facts:
        known: set[Kind] = {"boxes", "instances", "semantic"}
        if self.recipe.objects[1] == 1:  # its class is that of the scene
            known.add("class")
        return Facts(
            px=self.recipe.px,
            classes=10,
            training_images=TRAINING_SCENES,
            annotations=frozenset(known),
        )

    def adjusted(self, parameters: Mapping[str, Value]) -> Scenes:
        """Return the scenes with ``objects``, ``px`` or ``sides`` changed."""
        for name in parameters:
            if name not in ("objects", "px", "sides"):
                hint = nearest_or_all(name, ("objects", "px", "sides"))
                raise UserError(f"scenes has no parameter '{name}'", hint=hint)
        recipe = self.recipe
        if "px" in parameters:
            px = _range("px", parameters["px"], (_SMALLEST_PX, _LARGEST_PX))
            if px[0] != px[1]:
                raise UserError("px of scenes is one number", hint="write px=64")
            recipe = recipe.scaled(px[0])
        if "objects" in parameters:
            objects = _range("objects", parameters["objects"], (1, _MOST_OBJECTS))
            recipe = replace(recipe, objects=objects)
        if "sides" in parameters:
            sides = _range("sides", parameters["sides"], (_SMALLEST_SIDE, recipe.px))
            recipe = replace(recipe, sides=sides)
        return Scenes(recipe)

    def load(self, request: Request, data_dir: Path | None, search_path: Sequence[Path]) -> Splits:
        """Return the first scenes of each split, as many as are asked for.

        Held-out scenes are the last of the training scenes.
        """
        from cnnbench.data.scenes import pictures

        return pictures.splits(self.recipe, request)


SCENES = Scenes()


def _range(name: str, value: Value, limits: Range) -> Range:
    """Read a number or a range.

    Raises:
        UserError: it is neither, or exceeds ``limits``.
    """
    first = last = value
    if isinstance(value, str) and (match := _RANGE.fullmatch(value)):
        first, last = map(int, match.groups())
    allowed = f"between {limits[0]} and {limits[1]}"
    examples = f"write {name}=N or {name}=N-M, {allowed}"
    if isinstance(first, bool) or not isinstance(first, int) or not isinstance(last, int):
        raise UserError(f"{name}={show(value)} of scenes is no number and no range", hint=examples)
    if first > last:
        raise UserError(f"{name}={first}-{last} of scenes ends before it begins", hint=examples)
    if first < limits[0] or last > limits[1]:
        hint = f"{allowed}, the side of the scene" if name == "sides" else allowed
        raise UserError(f"{name}={show(value)} of scenes is out of range", hint=hint)
    return first, last
