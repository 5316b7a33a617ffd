"""The model that is compressed: a suite's model at the input and classes of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnbench.models.handle import ModelHandle
from cnnbench.probes.accuracy.settings import AccuracySetting
from cnnbench.tasks.task import Objective

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TrainedModel:
    """A `ModelHandle` with the input shape and classes it is trained for instead of its own.

    Name and identity stay those of the suite's model: training is part of the setting.

    Attributes:
        model: the suite's model.
        input_shape: of the training images, ``(height, width, channels)``.
        classes: number of outputs of the trained model.
    """

    model: ModelHandle
    input_shape: Shape
    classes: int

    @classmethod
    def of(
        cls, model: ModelHandle, training: AccuracySetting, objective: Objective
    ) -> TrainedModel:
        """Return ``model`` as ``training`` makes it; a transfer gives it new outputs."""
        own = model.classes if training.recipe == "scratch" else 0
        return cls(model, training.images_for(model.input_shape), objective.outputs_for(own))

    @property
    def text(self) -> str:
        """The name as written in the suite."""
        return self.model.text

    @property
    def label(self) -> str:
        """The canonical name."""
        return self.model.label

    @property
    def stated(self) -> frozenset[str]:
        """Those of ``input_shape`` and ``classes`` that the name states."""
        return self.model.stated

    @property
    def fixed(self) -> frozenset[str]:
        """Those of ``input_shape`` and ``classes`` that cannot be changed."""
        return self.model.fixed

    @property
    def output(self) -> str | None:
        """Path of the output that is judged; None for the first."""
        return self.model.output

    @property
    def min_size(self) -> int | None:
        """Smallest height and width, or None if unknown."""
        return self.model.min_size

    @property
    def task(self) -> str:
        """The task of the model."""
        return self.model.task

    @property
    def is_trained(self) -> bool:
        """True if the model comes with weights of its own."""
        return self.model.is_trained

    def identity(self) -> Mapping[str, Any]:
        """Return everything of the suite's model that decides a result."""
        return self.model.identity()

    def published(self) -> Mapping[str, float]:
        """Return the published metrics of the suite's model."""
        return self.model.published()

    def preprocess(self, images: Any) -> Any:
        """Map float32 images in 0..255 to the input range of the model."""
        return self.model.preprocess(images)

    def build(
        self,
        *,
        input_shape: Shape | None = None,
        classes: int | None = None,
        include_top: bool = True,
        weights: str | Path | None = None,
    ) -> Any:
        """Return a ``keras.Model``, by default with the input shape and classes of the training.

        Raises:
            UserError: the model cannot be built with them.
            Unavailable: the weights are not on this machine.
        """
        return self.model.build(
            input_shape=input_shape or self.input_shape,
            classes=self.classes if classes is None and include_top else classes,
            include_top=include_top,
            weights=weights,
        )

    def architecture(self, *, input_shape: Shape | None = None, classes: int | None = None) -> Any:
        """Return `build` without the weights that the model comes with."""
        return self.model.architecture(
            input_shape=input_shape or self.input_shape,
            classes=self.classes if classes is None else classes,
        )

    def with_interface(self, input_shape: Shape, classes: int) -> TrainedModel:
        """Return a copy with another input shape and number of classes."""
        return TrainedModel(self.model, input_shape, classes)
