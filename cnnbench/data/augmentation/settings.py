"""Settings of random changes, as a suite gives them under ``augment``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from cnnbench.data.annotations import Kind
from cnnbench.errors import UserError
from cnnbench.schema import StrictModel


class Augment(StrictModel):
    """Random changes of training images, each off at its default.

    Attributes:
        flip: mirror with probability one half.
        rotation: up to this fraction of a full turn either way.
        translation: up to this fraction of the side in both directions.
        zoom: up to this fraction in or out.
        contrast: factor drawn from 1 - contrast .. 1 + contrast.
        brightness: up to this fraction of the value range either way.
        crop: pad by this fraction of the side with black, then cut a random window.
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    translation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    crop: Annotated[float, Field(ge=0, le=0.5)] = 0.0

    def is_off(self) -> bool:
        """Return whether images pass unchanged."""
        return self == Augment()

    def moves(self) -> bool:
        """Return whether anything in an image may change its place."""
        return not self.model_copy(update={"contrast": 0.0, "brightness": 0.0}).is_off()


def refuse_rotation(augment: Augment, kinds: Collection[Kind], where: str = "rotation") -> None:
    """Refuse to rotate boxes of objects whose pixels are unknown.

    A rotated box has no upright sides, and an upright one around its corners is too large: twice
    its area at an eighth of a turn, for a square.

    Args:
        augment: the settings.
        kinds: what is changed together with the images.
        where: of the setting, for the message.

    Raises:
        UserError: ``kinds`` has boxes and no instance masks, and images are rotated.
    """
    if augment.rotation and "boxes" in kinds and "instances" not in kinds:
        raise UserError(
            "boxes cannot be rotated without the masks of their objects: they would be too large",
            where,
            "leave rotation out, or train for instance masks too",
        )
