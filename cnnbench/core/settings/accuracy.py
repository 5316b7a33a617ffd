"""Settings of the ``accuracy`` probe: data set, recipe and schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cnnbench.core.settings.base import ModelFacts, Setting, Spec, StoppingRule

_NATIVE_PX = {"fashion_mnist": 28, "digits": 8, "tf_flowers": 224}


class AccuracySetting(Setting):
    """One training schedule; a repeat is a seed."""

    probe: ClassVar[str] = "accuracy"
    dataset: str = "fashion_mnist"
    recipe: Literal["scratch"] = "scratch"
    image_size: Annotated[int, Field(strict=True, ge=4, le=4096)]
    epochs: Annotated[int, Field(strict=True, ge=1, le=10000)] = 5
    train_examples: Annotated[int, Field(strict=True, ge=1)] | None = None
    batch_size: Annotated[int, Field(strict=True, ge=1, le=65536)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.001
    batchnorm_momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9

    def label(self) -> str:
        parts = [self.dataset, self.recipe]
        if self.image_size != _NATIVE_PX.get(self.dataset):
            parts.append(f"{self.image_size}px")
        if self.epochs != 5:
            parts.append(f"{self.epochs}ep")
        if self.train_examples is not None:
            parts.append(f"n{self.train_examples}")
        return "/".join(parts)

    def primary_metrics(self) -> tuple[str, ...]:
        return ("top1",)


class AccuracySpec(Spec):
    """``accuracy: [{dataset: digits, recipe: scratch, epochs: 2, seeds: 3}]``"""

    dataset: str
    recipe: Literal["scratch"] = "scratch"
    image_size: Annotated[int, Field(strict=True, ge=4, le=4096)] | None = None
    epochs: Annotated[int, Field(strict=True, ge=1, le=10000)] = 5
    train_examples: Annotated[int, Field(strict=True, ge=1)] | None = None
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 3

    def settings(self, model: ModelFacts) -> Iterator[AccuracySetting]:
        yield AccuracySetting(
            dataset=self.dataset,
            recipe=self.recipe,
            image_size=self.image_size or _NATIVE_PX[self.dataset],
            epochs=self.epochs,
            train_examples=self.train_examples,
        )

    def stopping_rule(self) -> StoppingRule:
        return StoppingRule(at_least=self.seeds, at_most=self.seeds)
