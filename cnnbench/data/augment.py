"""Settings of augmentation: what a suite may say of random changes of training images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
        """Whether images pass unchanged."""
        return self == Augment()
