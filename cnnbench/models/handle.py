"""Protocols through which other parts of cnnbench see a model.

`ModelInfo` is for planning, which builds nothing; `ModelHandle` is for probes, which do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class ModelInfo(Protocol):
    """Facts about a model that planning needs; none of them needs TensorFlow."""

    @property
    def text(self) -> str:
        """The model as written in the suite; a worker resolves it again from this."""

    @property
    def label(self) -> str:
        """The canonical name with its parameters: ``MobileNetV2[alpha=0.5]``."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """``(height, width, channels)``; () if unknown before building."""

    @property
    def classes(self) -> int:
        """Number of classes; 0 if unknown before building."""

    @property
    def task(self) -> str:
        """The task of the model: ``classification``."""

    @property
    def is_task_assumed(self) -> bool:
        """True for a user's builder or file that states no task: it counts as a classifier."""

    @property
    def stated(self) -> frozenset[str]:
        """Those of ``input_shape`` and ``classes`` that are given in its brackets."""

    @property
    def fixed(self) -> frozenset[str]:
        """Those of ``input_shape`` and ``classes`` that cannot be changed, as those of a file."""

    @property
    def backbone(self) -> ModelInfo | None:
        """The model under its head, with the input at which it is built; None without a head."""

    @property
    def is_trained(self) -> bool:
        """True if the model comes with its own weights, as one in a file."""

    @property
    def converted_file(self) -> Path | None:
        """The converted file that the model is, which runtimes open as it is; None for Keras."""

    @property
    def output(self) -> str | None:
        """Path of the output with the classes (`models.output_names`); None for the first."""

    @property
    def min_size(self) -> int | None:
        """The smallest height and width that it can be built at, or None if unknown."""

    def identity(self) -> Mapping[str, Any]:
        """Return everything about the model that affects a result, as JSON values."""


class ModelHandle(ModelInfo, Protocol):
    """A model that can be built, as ``cnnbench.models.registry.resolve`` returns it.

    Probes see only this and never import the registry.
    """

    @property
    def backbone(self) -> ModelHandle | None:
        """The model under its head, with the input at which it is built; None without a head."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of its classes, in the order of its outputs; () if unknown."""

    def build(
        self,
        *,
        input_shape: tuple[int, ...] | None = None,
        classes: int | None = None,
        include_top: bool = True,
        weights: str | Path | None = None,
    ) -> Any:
        """Return a ``keras.Model`` (of the Keras generation of this process)."""

    def trained(self, *, weights: str | Path | None = None, classes: int | None = None) -> Any:
        """Return `build` with weights for all of the network, not only for a part of it."""

    def architecture(
        self, *, input_shape: tuple[int, ...] | None = None, classes: int | None = None
    ) -> Any:
        """Build the network with initial weights."""

    def head_layers(self, network: Any) -> list[Any]:
        """Return those layers of a network that `build` made which belong to the head.

        All others are the backbone's; a model without a head has none.
        """

    def with_interface(self, input_shape: tuple[int, ...], classes: int) -> ModelHandle:
        """Return a copy with the input shape and classes that were found by building it."""

    def preprocess(self, images: Any) -> Any:
        """Map float32 images ``(n, h, w, c)`` in 0..255 to the inputs that the network expects."""

    def published(self) -> Mapping[str, float]:
        """Return the ``published_*`` metrics of this network, if any."""
